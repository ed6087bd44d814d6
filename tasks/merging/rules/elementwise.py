"""Rules for elementwise functions, padding and joining, such as biases, layer scale and class tokens."""

from collections.abc import Sequence
from typing import Any

import torch

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.activations import name_of, samples


def elementwise(func: Any, first: MergedTensor, *args: Any, **kwargs: Any) -> Any:
    """Return an elementwise function of activations and every sample's own values, such as a sum or a layer scale.

    Raises:
        UncoveredLayer: the function would change the weights in place.
    """
    if _is_in_place(func) and isinstance(args[0], MergedTensor):
        raise first.uncovered(f"{name_of(func)}, which would change the weights")
    shapes = [argument.shape for argument in (*args, *kwargs.values()) if isinstance(argument, torch.Tensor)]
    shape = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    _, axis = samples(func, first, torch.empty(shape, device="meta"))

    def own(argument: Any) -> Any:
        return argument.per_sample(axis, len(shape)) if isinstance(argument, MergedTensor) else argument

    return func(*map(own, args), **{name: own(argument) for name, argument in kwargs.items()})


def _is_in_place(func: Any) -> bool:
    """Return whether a function's name is that of an in-place operation, such as `add_` and `__iadd__`."""
    name = name_of(func)
    return name.startswith("__i") or (name.endswith("_") and not name.startswith("__"))


def pad(
    func: Any, first: MergedTensor, input: Any, pad: Sequence[int], mode: str = "constant", value: Any = None
) -> Any:
    """Return a merged tensor padded with zeros or with its own numbers.

    Raises:
        UncoveredLayer: the padding is a number other than zero, which is not linear, or pads no weights.
    """
    if value or not isinstance(input, MergedTensor):
        raise first.uncovered(f"pad with {value}")
    return input.map(lambda part: func(part, pad, mode, value))


def cat(func: Any, first: MergedTensor, tensors: Sequence[torch.Tensor], dim: int = 0) -> Any:
    """Return activations joined with every sample's own values, or weights joined into one merged tensor.

    Among weights, a plain tensor is a constant that all models share.

    Raises:
        UncoveredLayer: the samples share an axis with something else.
    """
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
    """Return difference i of a tensor with its factor; that of a constant is zero."""
    if not isinstance(tensor, MergedTensor):
        return torch.zeros_like(tensor)
    return tensor.differences[i] * tensor.factors[i]
