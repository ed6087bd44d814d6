"""What every rule begins with: the activation as a plain tensor, and where its samples lie."""

from typing import Any

import torch

from tasks.merging.merged_tensor import MergedTensor


def name_of(func: Any) -> str:
    """Return what a function of torch is called."""
    return str(getattr(func, "__name__", func))


def samples(func: Any, weight: MergedTensor, x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return an activation as a plain tensor, and its sample axis."""
    try:
        axis = weight.shared.axes.axis(f"{name_of(func)} of {weight.origin}", x.shape)
    except ValueError as error:
        raise weight.uncovered(f"{name_of(func)} where {error}") from error
    if axis is None:
        raise weight.uncovered(f"{name_of(func)} of weights alone, before there are samples")
    return (x.per_sample(axis, x.ndim) if isinstance(x, MergedTensor) else x), axis


def merged(value: Any, first: MergedTensor) -> MergedTensor:
    """Return a weight as a merged tensor; a plain tensor beside merged ones is the same in all models."""
    return value if isinstance(value, MergedTensor) else MergedTensor.make(value, (), (), "a constant", first.shared)
