"""Vision towers: their shape read off the tensors, or named; built by open_clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import open_clip
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from torch import nn

from tasks.errors import CheckpointError

_HEAD_WIDTH = 64  # of one attention head, in every CLIP vision transformer


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


def infer_shape(state: Mapping[str, torch.Tensor], where: str) -> TowerShape:
    """Return the shape of the vision transformer that a state's tensors make up.

    Raises:
        CheckpointError: the tensors are not a CLIP vision transformer's; the architecture has to be named then.
    """
    try:
        convolution, positions = state["visual.conv1.weight"], state["visual.positional_embedding"]
        width, patch = convolution.shape[0], convolution.shape[-1]
        layers = sum(name.endswith("attn.in_proj_weight") for name in state)
        mlp = state["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
        output_dim = state["visual.proj"].shape[1]
        side = isqrt(positions.shape[0] - 1)
    except (KeyError, IndexError, ValueError) as error:
        missing = f"no {error.args[0]}" if isinstance(error, KeyError) else "tensors of other shapes"
        raise CheckpointError(
            f"{where}: not a CLIP vision transformer ({missing}); name its `architecture`, an open_clip model"
        ) from error
    if side * side != positions.shape[0] - 1 or width % _HEAD_WIDTH:
        raise CheckpointError(
            f"{where}: {positions.shape[0]} positions and width {width}, wanted a square and one more, and a "
            f"multiple of {_HEAD_WIDTH}; name its `architecture`, an open_clip model"
        )
    return TowerShape(patch * side, patch, width, layers, width // _HEAD_WIDTH, mlp / width, output_dim)


def build_tower(shape: TowerShape) -> nn.Module:
    """Return open_clip's VisionTransformer of a shape, with QuickGELU as in OpenAI's models and all tuned from them."""
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
