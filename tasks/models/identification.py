"""The architecture of a checkpoint without a description, identified by the names and shapes of its tensors.

The number of heads and the activation leave no trace in tensors. The settings on which open_clip's own configurations
of the shape agree are taken; where they differ, the user has to name the architecture.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import open_clip
import torch

from tasks.errors import CheckpointError
from tasks.models.architecture import as_text
from tasks.models.tower import HEAD_WIDTH, ResNetShape, TowerShape, build_configured_tower, infer_shape

# open_clip's models with OpenAI's weights, which have QuickGELU. A checkpoint of their shape counts as tuned from them
# unless a description says otherwise
_OPENAI = frozenset(
    f"ViT-{size}{suffix}" for size in ("B-32", "B-16", "L-14", "L-14-336") for suffix in ("", "-quickgelu")
)


class Identified(NamedTuple):
    """An architecture, and the settings that had to be assumed."""

    architecture: str
    assumed: str | None
    """In words; None: nothing had to be assumed."""


def identify(state: Mapping[str, torch.Tensor], where: str) -> Identified:
    """Return the architecture of a state's vision tower.

    Args:
        state: tensors, or outlines without numbers, by open_clip's names: `visual.…`.
        where: the checkpoint's address, for messages.

    Raises:
        CheckpointError: the state holds no CLIP tower, or its shape fits several architectures, which the message
            lists.
    """
    shape = infer_shape(state, where)
    if isinstance(shape, ResNetShape):
        return Identified(as_text(shape.configuration), None)  # all of them have heads of 64 and ReLU
    tower = {name.removeprefix("visual."): t.shape for name, t in state.items() if name.startswith("visual.")}
    alike = {name: found for name in _candidates(shape) if (found := _fitting(name, shape, tower))}
    kinds = {as_text({**found, "text_cfg": {}}) for found in alike.values()}
    if len(kinds) == 1:
        return Identified(as_text(next(iter(alike.values()))), None)
    if alike and _OPENAI.intersection(alike):
        return Identified(as_text(shape.configuration), "QuickGELU, as in OpenAI's models of this shape")
    if alike:
        raise CheckpointError(
            f"{where}: a tower of this shape may be {' or '.join(sorted(alike))}; name its `architecture`"
        )
    return _by_width(shape, where)


def _by_width(shape: TowerShape, where: str) -> Identified:
    """Return an unknown shape with OpenAI's heads; refuse it if models of that width are known to have other heads."""
    others = sorted(name for name, vision in _transformers().items() if _other_heads(vision, shape.width))
    if others or shape.width % HEAD_WIDTH:
        reason = f"towers that wide, such as {others[0]}, have" if others else "open_clip has no model of this shape:"
        raise CheckpointError(
            f"{where}: width {shape.width}, {shape.layers} layers: {reason} heads that are not {HEAD_WIDTH} wide; put "
            "an open_clip_config.json or Hugging Face's config.json beside it, or name its `architecture`"
        )
    count = shape.width // HEAD_WIDTH
    heads = f"{count} {'head' if count == 1 else 'heads'} of {HEAD_WIDTH}"
    return Identified(
        as_text(shape.configuration), f"{heads} and QuickGELU, as in OpenAI's models: no known model has this shape"
    )


def _other_heads(vision: Mapping[str, Any], width: int) -> bool:
    return bool(vision.get("width", 768) == width) and vision.get("head_width", HEAD_WIDTH) != HEAD_WIDTH


@lru_cache(maxsize=1)
def _transformers() -> dict[str, dict[str, Any]]:
    """Return the vision settings of open_clip's models with a transformer of its own that outputs features alone."""
    found = {name: open_clip.get_model_config(name)["vision_cfg"] for name in open_clip.list_models()}
    return {
        name: vision
        for name, vision in found.items()
        if "timm_model_name" not in vision
        and not isinstance(vision.get("layers"), list)
        and not vision.get("output_tokens")
    }


def _candidates(shape: TowerShape) -> list[str]:
    wanted = (shape.width, shape.layers, shape.patch_size)
    return [
        name
        for name, vision in _transformers().items()
        if (vision.get("width", 768), vision.get("layers", 12), vision.get("patch_size", 16)) == wanted
    ]


def _fitting(name: str, shape: TowerShape, tower: Mapping[str, torch.Size]) -> dict[str, Any] | None:
    """Return an open_clip model's configuration at a tower's image size, or None if its tensors are not the tower's."""
    whole = open_clip.get_model_config(name)
    # the tensors decide the image size, since positions may have been interpolated for another one
    configuration = {
        "embed_dim": whole["embed_dim"],
        "quick_gelu": whole.get("quick_gelu", False),
        "vision_cfg": {**whole["vision_cfg"], "image_size": shape.image_size},
    }
    with torch.device("meta"):
        built = build_configured_tower(configuration).state_dict()
    return configuration if {n: tensor.shape for n, tensor in built.items()} == tower else None
