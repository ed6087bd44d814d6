"""Parts of tensor names that several checkpoint families share: wrappers around a model, prefixes of a head."""

from collections import Counter

import torch

from tasks.errors import CheckpointError
from tasks.models.families.family import Tensors

_WRAPPERS = ("module.", "model.")
"""Prefixes in the order in which they are removed: data-parallel training adds the first, an encoder the second."""
_HEADS = ("classification_head.", "head.")


def unwrapped(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Return tensors by their names without the prefixes that wrappers of a model add.

    Raises:
        CheckpointError: two tensors would have one name, so that it is open which one is meant.
    """
    found = {_unwrapped_name(name): tensor for name, tensor in tensors.items()}
    if len(found) < len(tensors):
        twice = Counter(map(_unwrapped_name, tensors)).most_common(1)[0][0]
        raise CheckpointError(f"{twice} occurs more than once, under different prefixes; wanted one such tensor")
    return found


def _unwrapped_name(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def in_encoder(tensors: Tensors) -> bool:
    """Return whether an encoder, whose attribute is called `model`, wraps the CLIP model."""
    return any(name.startswith("model.") for name in tensors)


def has_prefix(tensors: Tensors, prefix: str) -> bool:
    """Return whether a tensor's name, without wrappers, begins with a prefix."""
    return any(_unwrapped_name(name).startswith(prefix) for name in tensors)


def read_unwrapped(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Return tensors by open_clip's names when wrappers and the head's prefix are all that differs."""
    bare = unwrapped(tensors)
    return {name: tensor for name, tensor in bare.items() if not name.startswith(_HEADS)} | heads_of(bare)


def heads_of(tensors: Tensors, *, bare: bool = False) -> dict[str, torch.Tensor]:
    """Return `head.weight` and `head.bias`, or nothing if the tensors hold no head.

    Args:
        tensors: by their names without wrappers. A head without a bias gets one of zeros.
        bare: whether the names may also be `weight` and `bias` alone, as in a file that holds nothing but a head.
    """
    for prefix in (*_HEADS, *([""] if bare else [])):
        if f"{prefix}weight" in tensors:
            weight = tensors[f"{prefix}weight"]
            classes = weight.shape[0] if weight.ndim else 0
            return {"head.weight": weight, "head.bias": tensors.get(f"{prefix}bias", torch.zeros(classes))}
    return {}
