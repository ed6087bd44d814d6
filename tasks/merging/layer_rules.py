"""How each kind of layer uses merged weights, for a whole batch at once (per-sample merging, method section 4).

    y_i = x_i (W_0 + Σ_t c_it ΔW_t)ᵀ + b_i = x_i W_0ᵀ + Σ_t (c_it x_i) ΔW_tᵀ + b_i

So a product with merged matrices is M products of plain ones, accumulated in place; what a weight does element by
element (scales, shifts, biases, embeddings) is done with every sample's own values, which are small.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import MergedTensor, Rule

Maybe = torch.Tensor | None


def _name(func: Any) -> str:  # noqa: ANN401  any function of torch
    return str(getattr(func, "__name__", func))


def _samples(func: Any, weight: MergedTensor, x: torch.Tensor) -> tuple[torch.Tensor, int]:  # noqa: ANN401
    """Return an activation as a plain tensor, and its sample axis."""
    try:
        axis = weight.shared.axes.axis(f"{_name(func)} of {weight.origin}", x.shape)
    except ValueError as error:
        raise weight.uncovered(f"{_name(func)} where {error}") from error
    if axis is None:
        raise weight.uncovered(f"{_name(func)} of weights alone, before there are samples")
    return (x.per_sample(axis, x.ndim) if isinstance(x, MergedTensor) else x), axis


def _product_dtype(x: torch.Tensor) -> torch.dtype:
    """Return what a product is computed in: as torch would, the autocast dtype where there is one."""
    if x.is_meta:
        return x.dtype
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def _matrix(weight: Any, func: Any, dtype: torch.dtype) -> MergedTensor:  # noqa: ANN401
    if not isinstance(weight, MergedTensor):
        raise TypeError(f"{_name(func)}: wanted merged weights, got a plain tensor beside them")
    weight.shared.matrices.add(weight.origin)
    return weight.in_dtype(dtype)


def _along(c: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return c.view(-1, *[1] * (x.ndim - 1))


def _product(x: torch.Tensor, matrix: MergedTensor, bias: MergedTensor | None) -> torch.Tensor:
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


def _linear(func: Any, first: MergedTensor, x: torch.Tensor, weight: MergedTensor, bias: Any = None) -> torch.Tensor:  # noqa: ANN401
    x, axis = _samples(func, first, x)
    dtype = _product_dtype(x)
    lead = x.movedim(axis, 0).to(dtype)
    return _product(lead, _matrix(weight, func, dtype), bias).movedim(0, axis)


def _matmul(func: Any, first: MergedTensor, x: torch.Tensor, weight: Any) -> torch.Tensor:  # noqa: ANN401
    if not isinstance(weight, MergedTensor) or weight.ndim != 2:
        raise first.uncovered(f"{_name(func)} with the weights on the left")
    return _linear(func, first, x, weight.map(torch.t))


def _conv2d(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    input: torch.Tensor,  # noqa: A002  torch's own name
    weight: MergedTensor,
    bias: MergedTensor | None = None,
    *settings: Any,  # noqa: ANN401
    **named: Any,  # noqa: ANN401
) -> torch.Tensor:
    x, _ = _samples(func, first, input)
    dtype = _product_dtype(x)
    x, matrix = x.to(dtype), _matrix(weight, func, dtype)
    biases = bias.in_dtype(dtype) if bias is not None else None
    out: torch.Tensor = func(x, matrix.base, biases.base if biases is not None else None, *settings, **named)
    for t, c in enumerate(matrix.shared.coefficients):
        add = func(x, matrix.differences[t], None, *settings, **named)
        out.addcmul_(add, _along(c, out), value=matrix.scales[t])
        if biases is not None:
            change = torch.outer(c, biases.differences[t].to(c.dtype)) * biases.scales[t]
            out.add_(change.view(*change.shape, *[1] * (out.ndim - 2)))
    return out


def _affine(y: torch.Tensor, weight: Any, bias: Any, axis: int, trailing: int = 0) -> torch.Tensor:  # noqa: ANN401
    """Return y · w_i + b_i; `trailing` axes follow the channels."""
    scale, shift = (None if p is None else _channels(p, axis, y.ndim, trailing).to(y.dtype) for p in (weight, bias))
    if scale is None:
        return y if shift is None else y + shift
    return y * scale if shift is None else torch.addcmul(shift, y, scale)


def _channels(weight: MergedTensor, axis: int, ndim: int, trailing: int) -> torch.Tensor:
    """Return every sample's own values of a weight (channels,) that `trailing` axes follow."""
    return weight.map(lambda part: part[(..., *[None] * trailing)]).per_sample(axis, ndim)


def _layer_norm(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    input: torch.Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Any = None,  # noqa: ANN401
    bias: Any = None,  # noqa: ANN401
    eps: float = 1e-5,
) -> torch.Tensor:
    x, axis = _samples(func, first, input)
    return _affine(functional.layer_norm(x, normalized_shape, None, None, eps), weight, bias, axis)


def _rms_norm(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    input: torch.Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Any = None,  # noqa: ANN401
    eps: float | None = None,
) -> torch.Tensor:
    x, axis = _samples(func, first, input)
    return _affine(functional.rms_norm(x, normalized_shape, None, eps), weight, None, axis)


def _group_norm(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    input: torch.Tensor,  # noqa: A002
    num_groups: int,
    weight: Any = None,  # noqa: ANN401
    bias: Any = None,  # noqa: ANN401
    eps: float = 1e-5,
) -> torch.Tensor:
    x, axis = _samples(func, first, input)
    return _affine(functional.group_norm(x, num_groups, None, None, eps), weight, bias, axis, x.ndim - 2)


def _batch_norm(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    input: torch.Tensor,  # noqa: A002
    running_mean: Any,  # noqa: ANN401
    running_var: Any,  # noqa: ANN401
    weight: Any = None,  # noqa: ANN401
    bias: Any = None,  # noqa: ANN401
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Normalise by merged statistics: mean and variance are combined like any other tensor, as `combine` does."""
    if training or running_mean is None:
        raise first.uncovered("batch_norm by the batch's own statistics")
    x, axis = _samples(func, first, input)
    mean, variance = (_channels(s, axis, x.ndim, x.ndim - 2) for s in (running_mean, running_var))
    normal = (x - mean.to(x.dtype)) * torch.rsqrt(variance + eps).to(x.dtype)
    return _affine(normal, weight, bias, axis, x.ndim - 2)


def _thirds(packed: MergedTensor) -> tuple[MergedTensor, ...]:
    return tuple(packed.map(lambda part, i=i: part.chunk(3)[i]) for i in range(3))  # type: ignore[misc]


def _attention(  # the signature is torch's
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,  # noqa: ANN401
    in_proj_bias: Any,  # noqa: ANN401
    bias_k: Any,  # noqa: ANN401
    bias_v: Any,  # noqa: ANN401
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,  # noqa: ANN401
    out_proj_bias: Any,  # noqa: ANN401
    training: bool = True,
    key_padding_mask: Maybe = None,
    need_weights: bool = True,
    attn_mask: Maybe = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,  # noqa: ANN401
    k_proj_weight: Any = None,  # noqa: ANN401
    v_proj_weight: Any = None,  # noqa: ANN401
    static_k: Maybe = None,
    static_v: Maybe = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[torch.Tensor, None]:
    """Multi-head attention on (tokens, samples, channels), projections packed or separate, opened up."""
    unusual = [bias_k, bias_v, key_padding_mask, static_k, static_v, add_zero_attn or None, need_weights or None]
    if any(extra is not None for extra in unusual) or (training and dropout_p) or (attn_mask is not None and attn_mask.ndim > 2):
        raise first.uncovered("attention with attention weights, padding, added keys or dropout")
    inputs, axes = zip(*[_samples(func, first, x) for x in (query, key, value)], strict=True)
    q, k, v = (x.movedim(axis, 0) for x, axis in zip(inputs, axes, strict=True))
    dtype = _product_dtype(q)
    if not use_separate_proj_weight and query is key and key is value:
        packed = _product(q.to(dtype), _matrix(in_proj_weight, func, dtype), in_proj_bias)
        parts = packed.chunk(3, dim=-1)
    else:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else _thirds(in_proj_weight)
        biases = (None,) * 3 if in_proj_bias is None else _thirds(in_proj_bias)
        parts = tuple(
            _product(x.to(dtype), _matrix(w, func, dtype), b) for x, w, b in zip((q, k, v), weights, biases, strict=True)
        )
    heads = [part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in parts]
    mixed = functional.scaled_dot_product_attention(*heads, attn_mask=attn_mask, is_causal=is_causal and attn_mask is None)
    joined = mixed.transpose(1, 2).flatten(-2)
    out = _product(joined.to(dtype), _matrix(out_proj_weight, func, dtype), out_proj_bias)
    return out.movedim(0, axes[0]), None


def _biased_attention(
    func: Any,  # noqa: ANN401
    first: MergedTensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: Any = None,  # noqa: ANN401
    *settings: Any,  # noqa: ANN401
    **named: Any,  # noqa: ANN401
) -> torch.Tensor:
    """Attention whose scores are biased by weights, such as a table of relative positions."""
    if any(isinstance(x, MergedTensor) for x in (query, key, value)):
        raise first.uncovered(f"{_name(func)} between weights")
    _, axis = _samples(func, first, query)
    mask = attn_mask.per_sample(axis, query.ndim)
    result: torch.Tensor = func(query, key, value, mask.to(query.dtype), *settings, **named)
    return result


def _elementwise(func: Any, first: MergedTensor, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    """Let every sample's own values meet the activation: additions, layer scale, and the like."""
    shapes = [argument.shape for argument in (*args, *kwargs.values()) if isinstance(argument, torch.Tensor)]
    shape = torch.broadcast_shapes(*shapes)
    _, axis = _samples(func, first, torch.empty(shape, device="meta"))

    def own(argument: Any) -> Any:  # noqa: ANN401
        return argument.per_sample(axis, len(shape)) if isinstance(argument, MergedTensor) else argument

    return func(*map(own, args), **{name: own(argument) for name, argument in kwargs.items()})


def _cat(func: Any, first: MergedTensor, tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:  # noqa: ANN401
    """Join tokens to activations; or weights to weights, where plain tensors are the same in all models."""
    axes = first.shared.axes
    found = axes.axis(f"{_name(func)} of {first.origin}", tensors[-1].shape)
    if found is not None:
        return func([t.per_sample(found, t.ndim) if isinstance(t, MergedTensor) else t for t in tensors], dim=dim)

    def part(i: int) -> torch.Tensor:
        pieces = []
        for t in tensors:
            if isinstance(t, MergedTensor):
                pieces.append(t.differences[i] * t.scales[i])
            else:
                pieces.append(torch.zeros_like(t))
        return func(pieces, dim=dim)

    base = func([t.base if isinstance(t, MergedTensor) else t for t in tensors], dim=dim)
    parts = [part(i) for i in range(len(first.differences))]
    return MergedTensor.make(base, parts, (1.0,) * len(parts), first.origin, first.shared)


_T = torch.Tensor
RULES: dict[Any, Rule] = {
    functional.linear: _linear,
    functional.conv2d: _conv2d,
    functional.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
    functional.rms_norm: _rms_norm,
    functional.group_norm: _group_norm,
    functional.batch_norm: _batch_norm,
    functional.multi_head_attention_forward: _attention,
    functional.scaled_dot_product_attention: _biased_attention,
    **dict.fromkeys((torch.matmul, _T.matmul, _T.__matmul__, torch.mm, _T.mm), _matmul),
    **dict.fromkeys((torch.cat, torch.concat), _cat),
    **dict.fromkeys(
        (
            torch.add, _T.add, _T.add_, _T.__add__, _T.__radd__, _T.__iadd__,
            torch.sub, _T.sub, _T.__sub__, _T.__rsub__,
            torch.mul, _T.mul, _T.mul_, _T.__mul__, _T.__rmul__, _T.__imul__,
            torch.div, _T.div, _T.__truediv__, torch.addcmul, _T.addcmul,
        ),
        _elementwise,
    ),
}  # fmt: skip
"""From torch's functions to their rules."""
