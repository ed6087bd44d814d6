"""Architectures as text: the name of an open_clip model, or an open_clip model configuration as canonical JSON.

Both can be part of a reference and of an identity. A configuration holds what tensors do not tell: how many heads share
a layer's width, which activation it has, how it pools. Apart from torch and open_clip: planning is quick.
"""

import json
from collections.abc import Mapping
from typing import Any


def as_text(configuration: Mapping[str, Any]) -> str:
    """Return the one text of a configuration with `embed_dim`, `vision_cfg` and perhaps `text_cfg`, `quick_gelu`."""
    return json.dumps(configuration, sort_keys=True, separators=(",", ":"), allow_nan=False)


def configuration_in(architecture: str) -> dict[str, Any] | None:
    """Return the configuration that an architecture's text holds; None for the name of an open_clip model."""
    if not architecture.startswith("{"):
        return None
    found: dict[str, Any] = json.loads(architecture)
    return found


def described(architecture: str) -> str:
    """Return an architecture in words, for a reader: "vision transformer: image_size 224, …"."""
    configuration = configuration_in(architecture)
    if configuration is None:
        return architecture
    vision = configuration["vision_cfg"]
    if "timm_model_name" in vision:
        return f"timm's {vision['timm_model_name']}: image_size {vision.get('image_size', 224)}"
    width, layers = vision.get("width", 768), vision.get("layers", 12)
    if isinstance(layers, list):
        return f"residual network: image_size {vision.get('image_size', 224)}, width {width}, blocks {layers}"
    head_width = vision.get("head_width", 64)
    return (
        f"vision transformer: image_size {vision.get('image_size', 224)}, patch_size {vision.get('patch_size', 16)}, "
        f"width {width}, layers {layers}, heads {width // head_width}, head_width {head_width}, "
        f"{'QuickGELU' if configuration.get('quick_gelu') else 'GELU'}"
    )
