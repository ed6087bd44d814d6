"""Checkpoints of several families, brought to one set of names: open_clip's `visual.…`, `head.weight`, `head.bias`."""

from collections.abc import Mapping
from typing import BinaryIO

import torch

from tasks.errors import CheckpointError
from tasks.models.tensor_files import read_tensors

HEAD = ("head.weight", "head.bias")
_WRAPPERS = ("module.", "model.")  # data-parallel training, and the model-soups wrapper around a CLIP
_HEAD_PREFIXES = ("classification_head.", "head.")


def read_checkpoint(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return the vision tower (and head, if there is one) of a checkpoint, in float32.

    Understands plain state dicts and safetensors in the layouts of model-soups / WiSE-FT (`model.visual.…`,
    `classification_head.…`) and of OpenAI CLIP / open_clip (`visual.…`), with or without `module.` in front.
    The text tower is left out: it takes no part in classifying images.

    Raises:
        CheckpointError: no vision tower in it, numbers that are not finite, or what `read_tensors` refuses.
    """
    tensors = {_bare(name): tensor for name, tensor in read_tensors(file, where, path).items()}
    state = {name: t for name, t in tensors.items() if name.startswith("visual.")}
    if not state:
        raise CheckpointError(
            f"{where}: no vision tower; wanted tensors named visual.… or model.visual.…, "
            f"got {', '.join(list(tensors)[:3])} ({len(tensors)} in all)"
        )
    state |= _head(tensors, where, required=False)
    return _in_float32(state, where)


def read_head(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a head from a file of its own: `weight` (classes, features) and, or zeros, `bias` (classes,)."""
    return _in_float32(_head(read_tensors(file, where, path), where, required=True), where)


def _bare(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def _head(tensors: Mapping[str, torch.Tensor], where: str, *, required: bool) -> dict[str, torch.Tensor]:
    prefixes = (*_HEAD_PREFIXES, "") if required else _HEAD_PREFIXES
    prefix = next((p for p in prefixes if f"{p}weight" in tensors), None)
    if prefix is None:
        if required:
            raise CheckpointError(f"{where}: no head; wanted a tensor named weight, got {', '.join(list(tensors)[:3])}")
        return {}
    weight = tensors[f"{prefix}weight"]
    if weight.ndim != 2:
        raise CheckpointError(f"{where}: head weight wanted as (classes, features), got {tuple(weight.shape)}")
    bias = tensors.get(f"{prefix}bias", torch.zeros(len(weight)))
    return {"head.weight": weight, "head.bias": bias}


def _in_float32(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    converted = {}
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise CheckpointError(f"{where}: {name} is not a plain tensor ({tensor.layout}, on {tensor.device})")
        if tensor.is_floating_point():
            tensor = tensor.float()  # noqa: PLW2901  the same tensor where it was float32 already
            if not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(f"{where}: {name} holds NaN or infinite weights")
        converted[name] = tensor
    return converted
