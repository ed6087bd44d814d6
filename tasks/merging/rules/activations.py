"""The first steps of every rule: the activation as a plain tensor, its sample axis, and weights as merged tensors."""

from typing import Any

import torch

from tasks.merging.merged_tensor import MergedTensor


def name_of(func: Any) -> str:
    """Return the name of a function of torch."""
    return str(getattr(func, "__name__", func))


def samples(func: Any, weight: MergedTensor, x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return an activation as a plain tensor, and its sample axis.

    Args:
        func: the function of torch that uses the activation and the weight.
        weight: a merged tensor of the same call.
        x: the activation; a merged tensor gives the values of every sample.

    Raises:
        UncoveredLayer: the activation has no samples, or they share an axis with something else.
    """
    try:
        axis = weight.shared.axes.axis(f"{name_of(func)} of {weight.origin}", x.shape)
    except ValueError as error:
        raise weight.uncovered(f"{name_of(func)} where {error}") from error
    if axis is None:
        raise weight.uncovered(f"{name_of(func)} of weights alone, without an activation")
    return (x.per_sample(axis, x.ndim) if isinstance(x, MergedTensor) else x), axis


def merged(value: Any, first: MergedTensor) -> MergedTensor:
    """Return a weight as a merged tensor, where a plain tensor is a constant that all models share.

    Args:
        value: a plain or a merged tensor.
        first: a merged tensor of the same call.
    """
    return value if isinstance(value, MergedTensor) else MergedTensor.make(value, (), (), "a constant", first.shared)
