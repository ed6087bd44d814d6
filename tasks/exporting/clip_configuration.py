"""The CLIP that an exported tower belongs to: open_clip's configuration of it, and the base's text tower.

This module joins storage and models.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import open_clip
import torch

from tasks.errors import CheckpointError
from tasks.merging.state_differences import differences
from tasks.models.architecture import configuration_in
from tasks.models.checkpoint import HEAD, read_family
from tasks.models.identification import identify
from tasks.models.text_tower import inferred_text_settings, text_features
from tasks.opening.verified_files import load_file
from tasks.references.models import ModelReference

Tensors = Mapping[str, torch.Tensor]

_LEFT_OUT = ("output_tokens", "timm_model_pretrained")  # other outputs, other weights
_WHOLE = ("custom_text", "init_logit_bias", "nonscalar_logit_scale")
"""Settings of a whole CLIP beside its towers that decide which tensors it has."""


class ClipConfiguration(NamedTuple):
    """The configuration of an exported tower, and the text tower that completes it to a CLIP."""

    vision: dict[str, Any]
    """`embed_dim`, `quick_gelu` and `vision_cfg`, as in open_clip's files."""
    whole: dict[str, Any] | None
    """The same with `text_cfg`; None: no text tower."""
    text: Tensors
    """The base's text tower and logit scale, by open_clip's names; nothing without a text tower."""
    without_text: str
    """The reason why no text tower completes it; empty if one does."""


def clip_configuration(base: ModelReference) -> ClipConfiguration:
    """Return the configuration of a base's tower, with the text tower in its checkpoint if open_clip builds one of it.

    Args:
        base: a checkpoint.

    Raises:
        CheckpointError: the checkpoint changed since it was planned.
    """
    tensors = load_file(base, read_family).tensors
    text = {name: t for name, t in tensors.items() if not name.startswith("visual.") and name not in HEAD}
    described = _described(base, tensors)
    vision = {
        "embed_dim": described["embed_dim"],
        "quick_gelu": bool(described.get("quick_gelu")),
        "vision_cfg": {name: value for name, value in described["vision_cfg"].items() if name not in _LEFT_OUT},
    }
    if text_features(tensors) is None:
        return ClipConfiguration(vision, None, {}, f"{base.name}'s checkpoint has no text tower")
    try:
        whole, names = _whole(vision, described, text, base.url)
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{base.url}: ")
        return ClipConfiguration(vision, None, {}, f"the text tower of {base.name}'s checkpoint: {reason}")
    return ClipConfiguration(vision, whole, {name: text[name] for name in names}, "")


def _described(base: ModelReference, tensors: Tensors) -> dict[str, Any]:
    """Return the configuration of a checkpoint's architecture, which may describe its text tower."""
    architecture = base.architecture or identify(tensors, base.url).architecture
    found: dict[str, Any] = configuration_in(architecture) or open_clip.get_model_config(architecture)
    return found


def _whole(
    vision: dict[str, Any], described: Mapping[str, Any], text: Tensors, where: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration of a CLIP, and the names of the tensors of `text` that it has beside its vision tower.

    Raises:
        CheckpointError: open_clip builds no such CLIP.
    """
    settings = dict(described.get("text_cfg") or inferred_text_settings(text, where))
    quick = settings.pop("quick_gelu", vision["quick_gelu"])  # of Hugging Face's text towers
    if quick != vision["quick_gelu"]:
        raise CheckpointError("its activation is not the vision tower's, and open_clip has one setting for both")
    if "hf_model_name" in settings or "multimodal_cfg" in described:
        raise CheckpointError("not one of open_clip's own")
    beside = {name: described[name] for name in _WHOLE if name in described}
    whole = {**vision, **beside, "text_cfg": settings}
    wanted = _outline(whole)
    if faults := differences(wanted, {name: _shape(name, t) for name, t in text.items() if name in wanted}):
        raise CheckpointError("; ".join(faults))
    return whole, list(wanted)


def _shape(name: str, tensor: torch.Tensor) -> str:
    """Return a tensor's shape in words; files differ in whether the logit scale is a number or a vector of one."""
    is_one = name.startswith("logit_") and tensor.numel() == 1
    return "one number" if is_one else str(tuple(tensor.shape))


def _outline(whole: Mapping[str, Any]) -> dict[str, str]:
    """Return the shapes of a CLIP's tensors beside its vision tower, by name.

    Raises:
        CheckpointError: open_clip cannot build it.
    """
    kind = open_clip.CustomTextCLIP if whole.get("custom_text") else open_clip.CLIP
    given = {name: value for name, value in whole.items() if name != "custom_text"}
    try:
        with torch.device("meta"):
            state = kind(**given).state_dict()
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError) as error:
        raise CheckpointError(f"open_clip cannot build it ({str(error).splitlines()[0][:200]})") from error
    return {name: _shape(name, tensor) for name, tensor in state.items() if not name.startswith("visual.")}
