"""open_clip's records of its models: the preprocessing of each pretrained tag, and the full settings of a tower."""

import json
from dataclasses import asdict
from typing import Any

import open_clip
from open_clip.model import CLIPVisionCfg

from tasks.errors import CheckpointError
from tasks.models.architecture import as_text, configuration_in
from tasks.models.descriptions import pixels_of_open_clip


def recorded_pixels(architecture: str) -> list[dict[str, Any]]:
    """Return the distinct preprocessings of an open_clip model's pretrained tags.

    Each has its `tags`, and in `unlike` those of them whose weights want another activation than the named model has.

    Args:
        architecture: a model's name. A configuration has no record, so that the list is empty for it.
    """
    found: dict[str, dict[str, Any]] = {}
    own = json.loads(tower_settings(architecture))["quick_gelu"]
    for tag in open_clip.list_pretrained_tags_by_model(architecture):
        record = open_clip.get_pretrained_cfg(architecture, tag)
        pixels = pixels_of_open_clip(record)
        entry = found.setdefault(as_text(pixels), {**pixels, "tags": [], "unlike": []})
        entry["tags"].append(tag)
        if own is not None and bool(record.get("quick_gelu", False)) != own:
            entry["unlike"].append(tag)
    return list(found.values())


def tower_settings(architecture: str) -> str:
    """Return all settings that a vision tower's output depends on, as text.

    Equal towers have equal texts, however their architecture is named.

    Args:
        architecture: an open_clip model's name, or a configuration as text.

    Raises:
        CheckpointError: open_clip has no model of that name.
    """
    configuration = configuration_in(architecture) or open_clip.get_model_config(architecture)
    if configuration is None:
        raise CheckpointError(f"architecture {architecture!r}: not an open_clip model")
    vision = asdict(CLIPVisionCfg(**configuration["vision_cfg"]))
    is_transformer = not vision["timm_model_name"] and not isinstance(vision["layers"], list | tuple)
    quick = bool(configuration.get("quick_gelu")) if is_transformer else None  # others have their own activations
    # the tensors determine the width of the perceptrons; a configuration's ratio of it may be rounded
    left_out = {"mlp_ratio", "timm_model_pretrained", "output_tokens"} | (set() if is_transformer else {"patch_size"})
    kept = {name: value for name, value in vision.items() if name not in left_out}
    return as_text({"embed_dim": configuration["embed_dim"], "quick_gelu": quick, "vision_cfg": kept})
