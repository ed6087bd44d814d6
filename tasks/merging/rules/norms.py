"""Rules for normalisations: a plain normalisation, then every sample's own weight and bias."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.rules.activations import merged, samples


def _affine(first: MergedTensor, y: torch.Tensor, weight: Any, bias: Any, axis: int, trailing: int = 0) -> torch.Tensor:
    """Return y · w_i + b_i of a normalised activation, whose channels `trailing` axes follow."""
    gain, shift = (
        None if p is None else _channels(merged(p, first), axis, y.ndim, trailing).to(y.dtype) for p in (weight, bias)
    )
    if gain is None:
        return y if shift is None else y + shift
    return y * gain if shift is None else torch.addcmul(shift, y, gain)


def _channels(weight: MergedTensor, axis: int, ndim: int, trailing: int) -> torch.Tensor:
    """Return every sample's values of a weight (channels,), with `trailing` axes of size 1 after the channels."""
    return weight.map(lambda part: part[(..., *[None] * trailing)]).per_sample(axis, ndim)


def layer_norm(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Return the layer normalisation of each sample with its own weight and bias."""
    x, axis = samples(func, first, input)
    return _affine(first, functional.layer_norm(x, normalized_shape, None, None, eps), weight, bias, axis)


def rms_norm(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    normalized_shape: Sequence[int],
    weight: Any = None,
    eps: float | None = None,
) -> torch.Tensor:
    """Return the root-mean-square normalisation of each sample with its own weight."""
    x, axis = samples(func, first, input)
    return _affine(first, functional.rms_norm(x, normalized_shape, None, eps), weight, None, axis)


def group_norm(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Return the group normalisation of each sample with its own weight and bias."""
    x, axis = samples(func, first, input)
    return _affine(first, functional.group_norm(x, num_groups, None, None, eps), weight, bias, axis, x.ndim - 2)


def batch_norm(
    func: Any,
    first: MergedTensor,
    input: torch.Tensor,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Return the batch normalisation of each sample by its own merged statistics, weight and bias.

    Mean and variance are combined like any other tensor, as `combine` does.

    Raises:
        UncoveredLayer: the normalisation takes the statistics of the batch.
    """
    if training or running_mean is None:
        raise first.uncovered("batch_norm by the batch's own statistics")
    x, axis = samples(func, first, input)
    mean, variance = (_channels(merged(s, first), axis, x.ndim, x.ndim - 2) for s in (running_mean, running_var))
    normal = (x - mean.to(x.dtype)) * torch.rsqrt(variance + eps).to(x.dtype)
    return _affine(first, normal, weight, bias, axis, x.ndim - 2)
