"""Additions, layer scale, joined tokens: every sample's own values meet the activation."""

from collections.abc import Sequence
from typing import Any

import torch

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.samples import name_of, samples


def elementwise(func: Any, first: MergedTensor, *args: Any, **kwargs: Any) -> Any:
    """Let every sample's own values meet the activation: additions, layer scale, and the like."""
    if _is_in_place(func) and isinstance(args[0], MergedTensor):
        raise first.uncovered(f"{name_of(func)}, which would change the weights")
    shapes = [argument.shape for argument in (*args, *kwargs.values()) if isinstance(argument, torch.Tensor)]
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    _, axis = samples(func, first, torch.empty(shape, device="meta"))

    def own(argument: Any) -> Any:
        return argument.per_sample(axis, len(shape)) if isinstance(argument, MergedTensor) else argument

    return func(*map(own, args), **{name: own(argument) for name, argument in kwargs.items()})


def _is_in_place(func: Any) -> bool:
    name = name_of(func)
    return name.startswith("__i") or (name.endswith("_") and not name.startswith("__"))


def pad(
    func: Any, first: MergedTensor, input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None
) -> Any:
    """Rule for padding weights: with zeros, or with weights."""
    if value or not isinstance(input, MergedTensor):
        raise first.uncovered(f"pad with {value}")
    return input.map(lambda part: func(part, pad, mode, value))


def cat(func: Any, first: MergedTensor, tensors: Sequence[torch.Tensor], dim: int = 0) -> Any:
    """Join tokens to activations; or weights to weights, where a plain tensor is the same in all models."""
    try:
        axis = first.shared.axes.axis(f"{name_of(func)} of {first.origin}", tensors[-1].shape)
    except ValueError as error:
        raise first.uncovered(f"{name_of(func)} where {error}") from error
    if axis is not None:
        return func([t.per_sample(axis, t.ndim) if isinstance(t, MergedTensor) else t for t in tensors], dim=dim)
    base = func([t.base if isinstance(t, MergedTensor) else t for t in tensors], dim=dim)
    parts = [func([_difference(t, i) for t in tensors], dim=dim) for i in range(len(first.differences))]
    return MergedTensor.make(base, parts, (1.0,) * len(parts), first.origin, first.shared)


def _difference(tensor: torch.Tensor, i: int) -> torch.Tensor:
    if not isinstance(tensor, MergedTensor):
        return torch.zeros_like(tensor)
    return tensor.differences[i] * tensor.scales[i]
