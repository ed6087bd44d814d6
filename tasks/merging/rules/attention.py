"""Rules for attention: the projections of torch's multi-head attention, and scores that weights bias."""

from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.activations import name_of, samples
from tasks.merging.rules.products import as_matrix, product, product_dtype


def attention(
    func: Any,
    first: MergedTensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    *,
    training: bool = True,
    attn_mask: torch.Tensor | None = None,
    is_causal: bool = False,
    need_weights: bool = True,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """Return the multi-head attention of every sample with its own projections, packed or separate.

    The arguments are those of `torch.nn.functional.multi_head_attention_forward`.

    Returns:
        The outputs in the layout of the query, and None in place of the attention weights.

    Raises:
        UncoveredLayer: the call asks for attention weights, padding, added keys, dropout or a mask for each sample.
    """
    unusual = [bias_k, bias_v, *(named.get(name) for name in ("key_padding_mask", "static_k", "static_v"))]
    if any(extra is not None for extra in unusual) or add_zero_attn or need_weights or (training and dropout_p):
        raise first.uncovered("attention with attention weights asked for, padding, added keys or dropout")
    mask = _shared_mask(attn_mask, first)
    found = [samples(func, first, x) for x in (query, key, value)]
    lead = [x.movedim(axis, 0) for x, axis in found]
    dtype = product_dtype(lead[0])
    lead = [x.to(dtype) for x in lead]
    if in_proj_weight is not None and query is key and key is value:
        parts = product(lead[0], as_matrix(in_proj_weight, first, dtype), in_proj_bias).chunk(3, dim=-1)
    else:
        separate = [named[f"{letter}_proj_weight"] for letter in "qkv"] if in_proj_weight is None else None
        parts = _projected(lead, separate or _thirds(in_proj_weight), in_proj_bias, first)
    q, k, v = (part.view(*part.shape[:-1], num_heads, -1).transpose(1, 2) for part in parts)
    mixed = functional.scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal and mask is None)
    joined = mixed.transpose(1, 2).flatten(-2).to(dtype)
    return product(joined, as_matrix(out_proj_weight, first, dtype), out_proj_bias).movedim(0, found[0][1]), None


def _shared_mask(mask: torch.Tensor | None, first: MergedTensor) -> torch.Tensor | None:
    """Return a mask that all samples share, as `scaled_dot_product_attention` takes it."""
    if mask is not None and mask.ndim > 2:
        raise first.uncovered("attention with a mask for each sample")
    # True masks a token in multi-head attention, and keeps it in the scaled dot product
    return ~mask if mask is not None and mask.dtype == torch.bool else mask


def _projected(
    activations: list[torch.Tensor], weights: list[Any], packed_bias: Any, first: MergedTensor
) -> tuple[torch.Tensor, ...]:
    """Return queries, keys and values, each (n, tokens, channels) of its own activation and weight."""
    matrices = [as_matrix(weight, first, activations[0].dtype) for weight in weights]
    biases = [None] * 3 if packed_bias is None else _thirds(packed_bias)
    return tuple(product(x, matrix, bias) for x, matrix, bias in zip(activations, matrices, biases, strict=True))


def _thirds(packed: MergedTensor) -> list[MergedTensor]:
    """Return the three projections of a packed weight or bias."""

    def third(i: int) -> MergedTensor:
        return packed.map(lambda part: part.chunk(3)[i])

    return [third(i) for i in range(3)]


def biased_attention(
    func: Any,
    first: MergedTensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: Any = None,
    *settings: Any,
    **named: Any,
) -> torch.Tensor:
    """Return attention with a bias of every sample's own on the scores, such as a table of relative positions.

    Raises:
        UncoveredLayer: queries, keys or values are weights, or the bias is not.
    """
    if any(isinstance(x, MergedTensor) for x in (query, key, value)) or not isinstance(attn_mask, MergedTensor):
        raise first.uncovered(f"{name_of(func)} between weights")
    _, axis = samples(func, first, query)
    mask = attn_mask.per_sample(axis, query.ndim).to(query.dtype)
    result: torch.Tensor = func(query, key, value, mask, *settings, **named)
    return result
