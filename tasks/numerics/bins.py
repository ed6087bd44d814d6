"""Bins of coefficients: groups of samples whose coefficients lie close together, made without a mixture."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from tasks.numerics.checks import Floats
from tasks.numerics.pieces import Pieces

_KMEANS = 65_536  # samples that k-means takes its centres from; it assigns the others to them


class Binning(NamedTuple):
    """n samples of M models in B bins, each of which holds at least one sample."""

    assignment: NDArray[np.int32]
    """(n,) the bin of each sample."""
    coefficients: Floats
    """(B, M) the mean coefficients of each bin."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """B bins of the coefficients of M models, each of which holds at least one of the samples they were made for."""

    borders: Floats | None
    """Two models: the inner borders in λ of all bins, empty ones included; None for more models."""
    centres: Floats | None
    """More models: (bins, M) the centres of all bins, empty ones included; None for two models."""
    numbers: NDArray[np.int32]
    """For each of all bins its number among those with samples; −1 for an empty one."""
    coefficients: Floats
    """(B, M) the mean coefficients of each bin with samples."""

    def assign(self, coefficients: Floats) -> NDArray[np.int32]:
        """Return the bin (n,) of coefficients (n, M).

        Coefficients other than those that the bins were made for may fall into an empty bin, or outside of all. They
        get the bin with samples whose mean is closest.
        """
        found: NDArray[np.int32] = self.numbers[_places(coefficients, self.borders, self.centres)]
        if (strays := np.flatnonzero(found < 0)).size:
            found[strays] = vq(coefficients[strays], self.coefficients)[0]
        return found


def bin_coefficients(coefficients: Floats, bins: int, *, seed: int | None = None) -> Binning:
    """Put samples into at most `bins` bins by their coefficients.

    Two models: the bins have equal width in λ, so that no sample is merged with a λ further from its own than that
    width. More models: the bins are those of k-means, whose centres come from at most 65,536 samples.

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
    found = find_bins([coefficients], bins, seed=seed)
    parts = [found.assign(piece) for piece in Pieces([coefficients], "coefficients", 2)]
    return Binning(np.concatenate(parts), found.coefficients)


def find_bins(pieces: Iterable[Floats], bins: int, *, seed: int | None = None) -> Bins:
    """Return the bins of coefficients that come in arrays of any lengths, in bounded memory: see `bin_coefficients`.

    Args:
        pieces: arrays (n_i, M) of coefficients, iterated several times.
        bins: upper limit of the number of bins.
        seed: random state of k-means, which two models do not use.

    Raises:
        ValueError: as `bin_coefficients`, with the number of the wrong sample.
    """
    samples = Pieces(pieces, "coefficients", 2)
    if bins < 1:
        raise ValueError(f"bins: wanted at least 1, got {bins}")
    count, models = samples.count(), next(iter(samples)).shape[1]
    borders = _borders(samples, bins) if models == 2 else None
    centres = _centres(samples, count, bins, seed) if models != 2 else None
    places = bins if centres is None else len(centres)
    counts, sums = np.zeros(places, np.int64), np.zeros((models, places))
    for piece in samples:
        found = _places(piece, borders, centres)
        counts += np.bincount(found, minlength=places)
        for total, column in zip(sums, piece.T, strict=True):
            np.add.at(total, found, column)  # sample after sample, so that pieces do not show in the rounding
    filled = counts > 0
    numbers = np.where(filled, np.cumsum(filled) - 1, -1).astype(np.int32)
    means = np.column_stack([total[filled] / counts[filled] for total in sums])
    return Bins(borders=borders, centres=centres, numbers=numbers, coefficients=means)


def _borders(samples: Pieces, bins: int) -> Floats:
    """Return the inner borders of bins of equal width over the range of λ."""
    low, high = np.inf, -np.inf
    for piece in samples:
        low, high = min(low, piece[:, 1].min()), max(high, piece[:, 1].max())
    return np.linspace(low, high, bins + 1)[1:-1]


def _centres(samples: Pieces, count: int, bins: int, seed: int | None) -> Floats:
    """Return the centres of k-means on at most 65,536 samples."""
    random = np.random.default_rng(seed)
    few = samples.every(1) if count <= _KMEANS else samples.at(random.choice(count, _KMEANS, replace=False))
    distinct = np.unique(few, axis=0)
    if len(distinct) <= bins:
        return distinct
    return kmeans2(few, bins, minit="++", seed=random, missing="warn")[0]


def _places(values: Floats, borders: Floats | None, centres: Floats | None) -> NDArray[np.intp]:
    """Return the bin of each row out of all, empty ones included: by its λ, or by the nearest centre."""
    if borders is not None:
        return np.searchsorted(borders, values[:, 1], side="right")
    assert centres is not None  # one of the two describes the bins
    return vq(values, centres)[0].astype(np.intp)
