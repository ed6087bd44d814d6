"""Vision towers, built by open_clip from a configuration or from a shape that is inferred from tensors."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import open_clip
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from torch import nn

from tasks.errors import CheckpointError
from tasks.models.architecture import configuration_in

HEAD_WIDTH = 64  # channels of one attention head, in OpenAI's towers
_REDUCTION = 32  # pixels on each side, a position of a residual network's last layer
_LAST_WIDTH = 32  # of that layer, in multiples of the first one's
_BLOCKS = "visual.transformer.resblocks."
_SETTINGS = frozenset(field.name for field in dataclasses.fields(CLIPVisionCfg))


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

    @property
    def configuration(self) -> dict[str, Any]:
        """The shape as an open_clip configuration, with QuickGELU as in OpenAI's models."""
        vision = {
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "width": self.width,
            "layers": self.layers,
            "head_width": self.width // self.heads,
            "mlp_ratio": self.mlp_ratio,
        }
        return {"embed_dim": self.output_dim, "quick_gelu": True, "vision_cfg": vision}


@dataclass(frozen=True)
class ResNetShape:
    """A CLIP residual network, in pixels, channels and counts."""

    image_size: int
    width: int
    layers: tuple[int, int, int, int]
    heads: int
    output_dim: int

    @property
    def configuration(self) -> dict[str, Any]:
        """The shape as an open_clip configuration, in which QuickGELU is the text tower's activation."""
        vision = {"image_size": self.image_size, "width": self.width, "layers": list(self.layers)}
        return {"embed_dim": self.output_dim, "quick_gelu": True, "vision_cfg": vision}


def infer_shape(state: Mapping[str, torch.Tensor], where: str) -> TowerShape | ResNetShape:
    """Return the shape of the vision transformer or residual network that a state's tensors make up.

    A transformer's tensors do not show its number of heads: the shape has as many as are `HEAD_WIDTH` wide, as in
    OpenAI's models. `identification` compares the result with the known models.

    Args:
        state: tensors, or outlines without numbers, by open_clip's names: `visual.…`.
        where: the checkpoint's address, for messages.

    Raises:
        CheckpointError: the tensors are not those of a CLIP tower, so that the user has to name the architecture.
    """
    try:
        if "visual.layer1.0.conv1.weight" in state:
            return _resnet_shape(state)
        convolution, positions = state["visual.conv1.weight"], state["visual.positional_embedding"]
        width, patch = convolution.shape[0], convolution.shape[-1]
        layers = sum(name.startswith(_BLOCKS) and name.endswith("attn.in_proj_weight") for name in state)
        mlp = state[f"{_BLOCKS}0.mlp.c_fc.weight"].shape[0]
        output_dim = state["visual.proj"].shape[1]
        side = isqrt(positions.shape[0] - 1)
    except (KeyError, IndexError, ValueError) as error:
        missing = f"no {error.args[0]}" if isinstance(error, KeyError) else "tensors of other shapes"
        raise CheckpointError(
            f"{where}: not a CLIP vision tower ({missing}); name its `architecture`, an open_clip model"
        ) from error
    if side * side != positions.shape[0] - 1 or not all((width, patch, layers, mlp, output_dim)):
        raise CheckpointError(
            f"{where}: {positions.shape[0]} positions and {layers} layers of width {width}, wanted a square of "
            "positions and one more; name its `architecture`, an open_clip model"
        )
    heads = max(1, width // HEAD_WIDTH)
    return TowerShape(patch * side, patch, width, layers, heads, mlp / width, output_dim)


def _resnet_shape(state: Mapping[str, torch.Tensor]) -> ResNetShape:
    first, projection = state["visual.layer1.0.conv1.weight"], state["visual.attnpool.c_proj.weight"]
    side = isqrt(state["visual.attnpool.positional_embedding"].shape[0] - 1)
    parts = [name.split(".") for name in state if name.startswith("visual.layer")]
    blocks = [{int(part[2]) for part in parts if part[1] == f"layer{i}"} for i in (1, 2, 3, 4)]
    if any(not found or found != set(range(len(found))) for found in blocks):
        raise ValueError("blocks of a residual network are missing")  # `infer_shape` words the message
    layers = [len(found) for found in blocks]
    width = first.shape[0]
    heads = width * _LAST_WIDTH // HEAD_WIDTH
    return ResNetShape(side * _REDUCTION, width, (*layers,), heads, projection.shape[0])  # type: ignore[arg-type]  # four


def build_tower(shape: TowerShape | ResNetShape) -> nn.Module:
    """Return an untrained tower of a shape, with QuickGELU as in OpenAI's models and all that are tuned from them."""
    return build_configured_tower(shape.configuration)


def build_named_tower(architecture: str) -> nn.Module:
    """Return the untrained vision tower of an architecture.

    Args:
        architecture: an open_clip model's name, or a configuration as text.

    Raises:
        CheckpointError: open_clip has no such model, or cannot build the configuration.
    """
    configuration = configuration_in(architecture)
    if configuration is not None:
        return build_configured_tower(configuration)
    known = open_clip.list_models()
    if architecture not in known:
        close = [name for name in known if name.lower().startswith(architecture.lower()[:5])]
        raise CheckpointError(
            f"architecture {architecture!r}: not an open_clip model; some are {', '.join(close or known[:8])} …"
        )
    return build_configured_tower(open_clip.get_model_config(architecture))


def build_configured_tower(configuration: Mapping[str, Any]) -> nn.Module:
    """Return the untrained vision tower of an open_clip configuration.

    Raises:
        CheckpointError: open_clip does not know one of the settings, or cannot build a tower of these values.
    """
    vision = {name: value for name, value in configuration["vision_cfg"].items() if name != "output_tokens"}
    if unknown := sorted(set(vision) - _SETTINGS):
        raise CheckpointError(f"architecture: open_clip has no setting {unknown[0]} of a vision tower")
    try:
        tower: nn.Module = _build_vision_tower(
            configuration["embed_dim"], CLIPVisionCfg(**vision), quick_gelu=bool(configuration.get("quick_gelu"))
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AssertionError, AttributeError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"architecture: open_clip cannot build its vision tower ({reason})") from error
    return tower
