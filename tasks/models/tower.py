"""Vision towers: their shape read off the tensors, or named; built by open_clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import open_clip
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from torch import nn

from tasks.errors import CheckpointError

_HEAD_WIDTH = 64  # of one attention head, in every CLIP vision tower
_REDUCTION = 32  # pixels a position of a residual network's last layer, on each side
_LAST_WIDTH = 32  # of that layer, in widths of the first


@dataclass(frozen=True)
class TowerShape:
    """A CLIP vision transformer, in pixels, channels and counts."""

    image_size: int
    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_ratio: float
    output_dim: int


@dataclass(frozen=True)
class ResNetShape:
    """A CLIP residual network, in pixels, channels and counts."""

    image_size: int
    width: int
    layers: tuple[int, int, int, int]
    heads: int
    output_dim: int


def infer_shape(state: Mapping[str, torch.Tensor], where: str) -> TowerShape | ResNetShape:
    """Return the shape of the vision transformer, or residual network, that a state's tensors make up.

    Raises:
        CheckpointError: the tensors are not those of a CLIP tower; the architecture has to be named then.
    """
    try:
        if "visual.layer1.0.conv1.weight" in state:
            return _resnet_shape(state)
        convolution, positions = state["visual.conv1.weight"], state["visual.positional_embedding"]
        width, patch = convolution.shape[0], convolution.shape[-1]
        layers = sum(name.endswith("attn.in_proj_weight") for name in state)
        mlp = state["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
        output_dim = state["visual.proj"].shape[1]
        side = isqrt(positions.shape[0] - 1)
    except (KeyError, IndexError, ValueError) as error:
        missing = f"no {error.args[0]}" if isinstance(error, KeyError) else "tensors of other shapes"
        raise CheckpointError(
            f"{where}: not a CLIP vision tower ({missing}); name its `architecture`, an open_clip model"
        ) from error
    if side * side != positions.shape[0] - 1 or width % _HEAD_WIDTH:
        raise CheckpointError(
            f"{where}: {positions.shape[0]} positions and width {width}, wanted a square and one more, and a "
            f"multiple of {_HEAD_WIDTH}; name its `architecture`, an open_clip model"
        )
    return TowerShape(patch * side, patch, width, layers, width // _HEAD_WIDTH, mlp / width, output_dim)


def _resnet_shape(state: Mapping[str, torch.Tensor]) -> ResNetShape:
    first, projection = state["visual.layer1.0.conv1.weight"], state["visual.attnpool.c_proj.weight"]
    side = isqrt(state["visual.attnpool.positional_embedding"].shape[0] - 1)
    parts = [name.split(".") for name in state if name.startswith("visual.layer")]
    layers = [1 + max(int(part[2]) for part in parts if part[1] == f"layer{i}") for i in (1, 2, 3, 4)]
    width = first.shape[0]
    heads = width * _LAST_WIDTH // _HEAD_WIDTH
    return ResNetShape(side * _REDUCTION, width, (*layers,), heads, projection.shape[0])  # type: ignore[arg-type]  # four


def build_tower(shape: TowerShape | ResNetShape) -> nn.Module:
    """Return open_clip's tower of a shape, with QuickGELU as in OpenAI's models and all tuned from them."""
    if isinstance(shape, ResNetShape):
        network = CLIPVisionCfg(layers=shape.layers, width=shape.width, image_size=shape.image_size)
        made: nn.Module = _build_vision_tower(shape.output_dim, network)
        return made
    settings = CLIPVisionCfg(
        layers=shape.layers,
        width=shape.width,
        head_width=_HEAD_WIDTH,
        mlp_ratio=shape.mlp_ratio,
        patch_size=shape.patch_size,
        image_size=shape.image_size,
    )
    tower: nn.Module = _build_vision_tower(shape.output_dim, settings, quick_gelu=True)
    return tower


def build_named_tower(architecture: str) -> nn.Module:
    """Return the untrained vision tower of an open_clip model; `…-quickgelu` have OpenAI's activation."""
    known = open_clip.list_models()
    if architecture not in known:
        close = [name for name in known if name.lower().startswith(architecture.lower()[:5])]
        raise CheckpointError(
            f"architecture {architecture!r}: not an open_clip model; there are {', '.join(close or known[:8])} …"
        )
    settings = open_clip.get_model_config(architecture)
    tower: nn.Module = _build_vision_tower(
        settings["embed_dim"], settings["vision_cfg"], quick_gelu=settings.get("quick_gelu", False)
    )
    return tower
