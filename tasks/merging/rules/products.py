"""Products with merged matrices: M products of plain ones, accumulated in place.

y_i = x_i (W_0 + Σ_t c_it ΔW_t)ᵀ + b_i = x_i W_0ᵀ + Σ_t (c_it x_i) ΔW_tᵀ + b_i
"""

from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.samples import name_of, samples


def product_dtype(x: torch.Tensor) -> torch.dtype:
    """Return what a product is computed in: as torch would, the autocast dtype where there is one."""
    if x.is_meta:
        return x.dtype
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def as_matrix(weight: Any, func: Any, dtype: torch.dtype) -> MergedTensor:
    """Return a factor of a product in the product's dtype, and note that it is one."""
    if not isinstance(weight, MergedTensor):
        raise TypeError(f"{name_of(func)}: wanted merged weights, got a plain tensor beside them")
    weight.shared.matrices.add(weight.origin)
    return weight.in_dtype(dtype)


def _along(c: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return c.view(-1, *[1] * (x.ndim - 1))


def product(x: torch.Tensor, matrix: MergedTensor, bias: MergedTensor | None) -> torch.Tensor:
    """Return x_i W_iᵀ + b_i for x (n, …, inputs), W (outputs, inputs).

    The bias is what the accumulation starts from; one buffer of x's size holds c_it x_i.
    """
    n, width = len(x), matrix.base.shape[0]
    if matrix.shared.axes.is_recording:
        return functional.linear(x, matrix.base)
    rows = x.reshape(-1, x.shape[-1])
    out = x.new_empty(len(rows), width)
    if bias is None:
        torch.mm(rows, matrix.base.t(), out=out)
    else:
        out.view(n, -1, width).copy_(bias.per_sample(0, 2).unsqueeze(1))
        out.addmm_(rows, matrix.base.t())
    buffer = torch.empty_like(rows)
    for c, part, scale in zip(matrix.shared.coefficients, matrix.differences, matrix.scales, strict=True):
        torch.mul(rows.view(n, -1, rows.shape[1]), c.view(-1, 1, 1), out=buffer.view(n, -1, rows.shape[1]))
        out.addmm_(buffer, part.t(), alpha=scale)
    return out.view(*x.shape[:-1], width)


def linear(func: Any, first: MergedTensor, x: torch.Tensor, weight: MergedTensor, bias: Any = None) -> torch.Tensor:
    """Rule for x Wᵀ + b, wherever the samples lie."""
    x, axis = samples(func, first, x)
    dtype = product_dtype(x)
    lead = x.movedim(axis, 0).to(dtype)
    return product(lead, as_matrix(weight, func, dtype), bias).movedim(0, axis)


def matmul(func: Any, first: MergedTensor, x: torch.Tensor, weight: Any) -> torch.Tensor:
    """Rule for x W, such as the projection of a tower's features."""
    if not isinstance(weight, MergedTensor) or weight.ndim != 2:
        raise first.uncovered(f"{name_of(func)} with the weights on the left")
    return linear(func, first, x, weight.map(torch.t))


def conv2d(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    weight: MergedTensor,
    bias: MergedTensor | None = None,
    *settings: Any,
    **named: Any,
) -> torch.Tensor:
    """Rule for convolutions: M plain ones, the change of each sample added with its coefficient."""
    x, _ = samples(func, first, input)
    dtype = product_dtype(x)
    x, matrix = x.to(dtype), as_matrix(weight, func, dtype)
    biases = bias.in_dtype(dtype) if bias is not None else None
    out: torch.Tensor = func(x, matrix.base, biases.base if biases is not None else None, *settings, **named)
    for t, c in enumerate(matrix.shared.coefficients):
        add = func(x, matrix.differences[t], None, *settings, **named)
        out.addcmul_(add, _along(c, out), value=matrix.scales[t])
        if biases is not None:
            change = torch.outer(c, biases.differences[t].to(c.dtype)) * biases.scales[t]
            out.add_(change.view(*change.shape, *[1] * (out.ndim - 2)))
    return out
