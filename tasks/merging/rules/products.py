"""Rules for products with matrices and for convolutions: M plain products, accumulated in place.

y_i = x_i (W_0 + Σ_t c_it ΔW_t)ᵀ + b_i = x_i W_0ᵀ + Σ_t (c_it x_i) ΔW_tᵀ + b_i
"""

from math import prod
from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.activations import merged, name_of, samples


def product_dtype(x: torch.Tensor) -> torch.dtype:
    """Return the dtype in which torch would compute a product with an activation: under autocast, its dtype."""
    if x.is_meta:
        return x.dtype
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def as_matrix(weight: Any, first: MergedTensor, dtype: torch.dtype) -> MergedTensor:
    """Return a weight in the dtype of a product, and note its name among the matrices of the model."""
    first.shared.matrices.add(getattr(weight, "origin", ""))
    return merged(weight, first).in_dtype(dtype)


def _along(c: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return coefficients (n,) in the shape that broadcasts against x (n, …)."""
    return c.view(-1, *[1] * (x.ndim - 1))


def product(x: torch.Tensor, matrix: MergedTensor, bias: Any) -> torch.Tensor:
    """Return x_i W_iᵀ + b_i for every sample i.

    Memory beside the result is one buffer of the size of x, which holds c_it x_i.

    Args:
        x: (n, …, inputs) activation in the dtype of the matrix.
        matrix: (outputs, inputs) W.
        bias: (outputs,) b, plain or merged, or None.

    Returns:
        (n, …, outputs).
    """
    width, inputs = matrix.base.shape
    rows = x.reshape(prod(x.shape[:-1]), inputs)
    if matrix.shared.axes.is_recording:
        return functional.linear(x, matrix.base)
    if torch.compiler.is_exporting():
        return _recorded(x, rows, matrix, bias)
    n, each = len(x), prod(x.shape[1:-1])
    out = x.new_empty(len(rows), width)
    if bias is None:
        torch.mm(rows, matrix.base.t(), out=out)
    else:
        out.view(n, each, width).copy_(merged(bias, matrix).per_sample(0, 2).unsqueeze(1))
        out.addmm_(rows, matrix.base.t())
    buffer = torch.empty_like(rows)
    for c, part, factor in matrix.terms():
        torch.mul(rows.view(n, each, inputs), c.view(-1, 1, 1), out=buffer.view(n, each, inputs))
        out.addmm_(buffer, part.t(), alpha=factor)
    return out.view(*x.shape[:-1], width)


def _recorded(x: torch.Tensor, rows: torch.Tensor, matrix: MergedTensor, bias: Any) -> torch.Tensor:
    """Return the same product by functions without buffers, of which `torch.export` makes a smaller graph."""
    width, inputs = matrix.base.shape
    out = functional.linear(rows, matrix.base)
    for c, part, factor in matrix.terms():
        out = torch.addmm(out, (x * _along(c, x)).reshape(-1, inputs), part.t(), alpha=factor)
    y = out.view(*x.shape[:-1], width)
    return y if bias is None else y + merged(bias, matrix).per_sample(0, x.ndim)


def linear(func: Any, first: MergedTensor, input: torch.Tensor, weight: Any, bias: Any = None) -> torch.Tensor:
    """Return x_i W_iᵀ + b_i for every sample i, whichever axis of x holds the samples."""
    x, axis = samples(func, first, input)
    dtype = product_dtype(x)
    lead = x.movedim(axis, 0).to(dtype)
    return product(lead, as_matrix(weight, first, dtype), bias).movedim(0, axis)


def matmul(func: Any, first: MergedTensor, input: torch.Tensor, other: Any) -> torch.Tensor:
    """Return x_i W_i for every sample i, such as the projection of a tower's features.

    Raises:
        UncoveredLayer: the weights are the left factor, or are not a matrix.
    """
    if not isinstance(other, MergedTensor) or other.base.ndim != 2:
        raise first.uncovered(f"{name_of(func)} with the weights on the left")
    return linear(func, first, input, other.map(torch.t))


def conv2d(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    weight: Any,
    bias: Any = None,
    *settings: Any,
    **named: Any,
) -> torch.Tensor:
    """Return the convolution of every sample with its own kernel: M plain convolutions, added by coefficient."""
    x, _ = samples(func, first, input)
    dtype = product_dtype(x)
    x, matrix = x.to(dtype), as_matrix(weight, first, dtype)
    out: torch.Tensor = func(x, matrix.base, None, *settings, **named)
    for c, part, factor in matrix.terms():
        out.addcmul_(func(x, part, None, *settings, **named), _along(c, out), value=factor)
    if bias is not None:
        channels = merged(bias, first).map(lambda part: part[:, None, None])
        out = out + channels.per_sample(0, out.ndim).to(out.dtype)
    return out
