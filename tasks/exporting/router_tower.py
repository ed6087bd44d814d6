"""The settings of a tower that `router.py` runs, after a comparison with the tower that open_clip builds."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIPVisionCfg

from tasks.errors import CheckpointError
from tasks.exporting.router import forward
from tasks.models.classifier import ImageClassifier
from tasks.models.files.safetensors_file import write_safetensors
from tasks.models.tower import build_configured_tower

_FEATURES, _CLASSES = 12, 5
_TOLERANCE = 1e-4  # of float32 results between two ways of computing; another activation differs by 1e-3


def router_tower(vision: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings with which `router.py` runs a tower; None if it does not compute what open_clip does.

    The two are compared on a tower with all of its settings but a smaller one: two layers of two heads, and four
    patches.

    Args:
        vision: the tower's configuration, as in open_clip's files.
    """
    settings = vision["vision_cfg"]
    if settings.get("timm_model_name") or isinstance(settings.get("layers"), list | tuple):
        return None
    head_width = settings.get("head_width", CLIPVisionCfg.head_width)
    patch = settings.get("patch_size", CLIPVisionCfg.patch_size)
    if not isinstance(patch, int):
        return None
    small = {**settings, "layers": 2, "width": 2 * head_width, "image_size": 2 * patch}
    alike = {**vision, "embed_dim": _FEATURES, "vision_cfg": small}
    return _settings(vision) if _agrees(alike, 2 * patch) else None


def _settings(vision: Mapping[str, Any]) -> dict[str, Any]:
    own = vision["vision_cfg"]
    width = own.get("width", CLIPVisionCfg.width)
    approximate = (own.get("act_kwargs") or {}).get("approximate", "none")
    return {
        "width": width,
        "layers": own.get("layers", CLIPVisionCfg.layers),
        "heads": width // own.get("head_width", CLIPVisionCfg.head_width),
        "patch_size": own.get("patch_size", CLIPVisionCfg.patch_size),
        "gelu": "quick" if vision.get("quick_gelu") else approximate,
        "epsilon": (own.get("norm_kwargs") or {}).get("eps", 1e-5),
    }


def _agrees(vision: Mapping[str, Any], size: int) -> bool:
    """Return whether `router.py` computes the logits of a tower with drawn weights."""
    random = torch.Generator().manual_seed(0)
    try:
        module = ImageClassifier(build_configured_tower(vision), _FEATURES, _CLASSES).eval().requires_grad_(False)
        for parameter in module.parameters():
            parameter.normal_(std=0.3, generator=random)
        images = torch.randn(2, 3, size, size, generator=random)
        wanted = module(images)
        with tempfile.TemporaryDirectory() as folder:
            state = module.state_dict()
            with (Path(folder) / "drawn.safetensors").open("wb") as file:
                write_safetensors(file, state, state.items())
            rules = {"tower": _settings(vision), "groups": None}
            files, alone = ["drawn.safetensors"], torch.ones(2, 1)
            got = forward(Path(folder), rules, files, alone, images)  # type: ignore[no-untyped-call]
    except (CheckpointError, KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        return False
    return bool((got - wanted).abs().max() < _TOLERANCE * wanted.abs().max())
