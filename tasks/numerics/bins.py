"""Bins: coefficients that are near to one another share their mean; many narrow clusters, without a mixture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from tasks.numerics.checks import Floats, finite_array

_FEW = 65_536  # samples that the k-means learns its centres from; the others are assigned to them


class Binning(NamedTuple):
    """B bins of n samples, M models."""

    assignment: NDArray[np.int32]
    """(n,) bin of each sample; bins without samples have no number."""
    coefficients: Floats
    """(B, M) mean of the bin's samples."""


class BinningError(NamedTuple):
    """How far the coefficients that samples are merged with lie from their own: max over the models of |c − c'|."""

    mean: float
    largest: float


def bin_coefficients(coefficients: Floats, bins: int, *, seed: int | None = None) -> Binning:
    """Put the coefficients (n, M) of n samples into at most `bins` bins.

    Two models: the range of λ is cut into bins of equal width, so that no sample is merged with a λ further from
    its own than that width. More: k-means.

    Raises:
        ValueError: coefficients are not finite, or `bins` is less than one.
    """
    values = finite_array(coefficients, "coefficients", 2)
    if bins < 1:
        raise ValueError(f"bins: wanted at least 1, got {bins}")
    found = _cut(values[:, 1], bins) if values.shape[1] == 2 else _centres(values, bins, seed)
    _, assignment = np.unique(found, return_inverse=True)
    counts = np.bincount(assignment)
    means = np.column_stack([np.bincount(assignment, column) / counts for column in values.T])
    return Binning(assignment.astype(np.int32), means)


def binning_error(own: Floats, used: Floats) -> BinningError:
    """Return how far coefficients (n, M) that are used lie from the samples' own."""
    distance = np.abs(own - used).max(axis=1)
    return BinningError(float(distance.mean()), float(distance.max()))


def _cut(values: Floats, bins: int) -> NDArray[np.intp]:
    low, high = values.min(), values.max()
    return np.searchsorted(np.linspace(low, high, bins + 1)[1:-1], values, side="right")


def _centres(values: Floats, bins: int, seed: int | None) -> NDArray[np.intp]:
    random = np.random.default_rng(seed)
    few = values if len(values) <= _FEW else values[random.choice(len(values), _FEW, replace=False)]
    distinct = np.unique(few, axis=0)
    if len(distinct) <= bins:
        centres = distinct
    else:
        centres, _ = kmeans2(few, bins, minit="++", seed=random, missing="warn")
    return vq(values, centres)[0].astype(np.intp)
