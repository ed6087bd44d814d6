"""Bins of coefficients: groups of samples whose coefficients lie close together, made without a mixture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from tasks.numerics.checks import Floats, finite_array

_KMEANS = 65_536  # samples that k-means takes its centres from; it assigns the others to them


class Binning(NamedTuple):
    """n samples of M models in B bins, each of which holds at least one sample."""

    assignment: NDArray[np.int32]
    """(n,) the bin of each sample."""
    coefficients: Floats
    """(B, M) the mean coefficients of each bin."""


def bin_coefficients(coefficients: Floats, bins: int, *, seed: int | None = None) -> Binning:
    """Put samples into at most `bins` bins by their coefficients.

    Two models: the bins have equal width in λ, so that no sample is merged with a λ further from its own than that
    width. More models: the bins are those of k-means.

    Args:
        coefficients: (n, M) coefficients of each sample.
        bins: upper limit B of the number of bins; empty bins are left out.
        seed: random state of k-means, which two models do not use.

    Returns:
        The bin of each sample and the mean coefficients of each bin.

    Raises:
        ValueError: coefficients are empty or not finite, or `bins` is below 1.

    Example:
        >>> tuned = np.array([0.0, 0.25, 1.0])
        >>> binning = bin_coefficients(np.column_stack([1 - tuned, tuned]), 2)
        >>> binning.assignment
        array([0, 0, 1], dtype=int32)
        >>> binning.coefficients
        array([[0.875, 0.125],
               [0.   , 1.   ]])
    """
    values = finite_array(coefficients, "coefficients", 2)
    if bins < 1:
        raise ValueError(f"bins: wanted at least 1, got {bins}")
    found = _cut(values[:, 1], bins) if values.shape[1] == 2 else _nearest_centres(values, bins, seed)
    _, assignment = np.unique(found, return_inverse=True)
    counts = np.bincount(assignment)
    means = np.column_stack([np.bincount(assignment, column) / counts for column in values.T])
    return Binning(assignment.astype(np.int32), means)


def _cut(values: Floats, bins: int) -> NDArray[np.intp]:
    """Return each value's bin out of equally wide ones."""
    low, high = values.min(), values.max()
    return np.searchsorted(np.linspace(low, high, bins + 1)[1:-1], values, side="right")


def _nearest_centres(values: Floats, bins: int, seed: int | None) -> NDArray[np.intp]:
    """Return the nearest centre of k-means for each row."""
    random = np.random.default_rng(seed)
    few = values if len(values) <= _KMEANS else values[random.choice(len(values), _KMEANS, replace=False)]
    distinct = np.unique(few, axis=0)
    if len(distinct) <= bins:
        centres = distinct
    else:
        centres, _ = kmeans2(few, bins, minit="++", seed=random, missing="warn")
    return vq(values, centres)[0].astype(np.intp)
