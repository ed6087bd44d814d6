"""Two classifiers on the same samples: McNemar's exact test of their accuracies, and an interval of the difference.

Only the samples on which exactly one of the two is right carry information about the difference.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, ndtri

from tasks.numerics.checks import Floats

_HALVINGS = 60  # of an interval of length 2: to the last digit of a float


class Discordance(NamedTuple):
    """On how many samples exactly one method of each pair is right; each field (k, k)."""

    only_row: NDArray[np.int64]
    """The method of the row is right, and that of the column is wrong."""
    only_column: NDArray[np.int64]


def discordance(right: NDArray[np.bool_]) -> Discordance:
    """Count, for each pair of k methods, the samples on which exactly one of the two is right.

    Args:
        right: (k, n) whether each method is right on each sample.

    Raises:
        ValueError: the array has another number of axes, or no samples exist.

    Example:
        >>> discordance(np.array([[True, True, False], [True, False, False]])).only_row
        array([[0, 1],
               [0, 0]])
    """
    if right.ndim != 2 or not right.size:
        raise ValueError(f"right: wanted shape (methods, samples) with at least one of each, got {right.shape}")
    hits = right.sum(axis=1)
    both = np.zeros((len(right), len(right)))
    for start in range(0, right.shape[1], _BLOCK):
        part = right[:, start : start + _BLOCK].astype(np.float32)
        both += part @ part.T
    only_row = hits[:, None] - both.astype(np.int64)
    return Discordance(only_row, only_row.T)


_BLOCK = 1 << 16  # samples of one matrix product: its counts are exact in float32


def exact_mcnemar(only_a: ArrayLike, only_b: ArrayLike) -> Floats:
    """Return the two-sided p-values of McNemar's exact test (McNemar, Psychometrika 1947).

    Under the null hypothesis that both methods are equally accurate, each sample on which exactly one of them is right
    favours either with probability 1/2: the count is binomial, and p is twice its smaller tail, at most 1.

    Args:
        only_a: number of samples on which method a alone is right, at least 0, of any shape.
        only_b: the same for method b.

    Returns:
        p-values of the arguments' common shape; 1 where the methods are right on the same samples.

    Raises:
        ValueError: a count is negative.

    Example:
        >>> print(exact_mcnemar([6, 40, 0], [0, 20, 0]).round(4))
        [0.0312 0.0135 1.    ]
    """
    a, b = _counts(only_a, only_b)
    fewer, more = np.minimum(a, b), np.maximum(a, b)
    # the binomial distribution function, to the last digits also where it is tiny
    tail = betainc(np.maximum(more, 1), fewer + 1.0, 0.5)
    p: Floats = np.where(more == 0, 1.0, np.minimum(1.0, 2.0 * tail))
    return p


def tango_interval(
    only_a: ArrayLike, only_b: ArrayLike, samples: ArrayLike, *, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the score interval of the difference of two accuracies on the same samples (Tango, Stat. Med. 1998).

    The interval holds the differences δ that a score test does not reject: (a − b − nδ)² ≤ z² n (2q + δ(1 − δ)), where
    q is the maximum-likelihood estimate, given δ, of the probability that b alone is right (Tango's equations 8 to 10).
    It stays inside [−1, 1], and does not shrink to a point where the methods never differ. At δ = 0 the score test is
    McNemar's without the exact tail, so that the exact test may find p slightly above 0.05 where 0 lies just outside.

    Args:
        only_a: number of samples on which method a alone is right, at least 0, of any shape.
        only_b: the same for method b.
        samples: number n of all samples, at least 1 and at least the sum of both counts.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The lower and the upper ends, for the accuracy of a minus that of b, as fractions.

    Raises:
        ValueError: a count is negative, or more samples differ than exist.

    Example:
        >>> low, high = tango_interval(12, 1, 50)
        >>> print(f"{low:.4f} {high:.4f}")
        0.0942 0.3595
    """
    a, b = _counts(only_a, only_b)
    n = np.asarray(samples, dtype=np.float64)
    if np.any(n < 1) or np.any(a + b > n):
        raise ValueError("samples: wanted at least one, and at least those on which the methods differ")
    z = float(ndtri(0.5 + confidence / 2))
    return -_upper(b, a, n, z), _upper(a, b, n, z)


def _upper(a: Floats, b: Floats, n: Floats, z: float) -> Floats:
    """Return the upper ends, by halving: the score statistic falls as δ grows."""
    low, high = np.broadcast_arrays((a - b) / n, np.ones_like(n))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = n * middle - (a - b) <= z * np.sqrt(n * _variance(middle, a, b, n))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    end: Floats = np.where(a == n, 1.0, (low + high) / 2)
    return end


def _variance(delta: Floats, a: Floats, b: Floats, n: Floats) -> Floats:
    """Return n times the variance of the observed difference if the true one is δ."""
    linear = (2.0 * n - a + b) * delta - a - b
    root = np.sqrt(np.maximum(0.0, linear**2 + 8.0 * n * b * delta * (1.0 - delta)))
    only_b = (root - linear) / (4.0 * n)
    variance: Floats = np.maximum(0.0, 2.0 * only_b + delta * (1.0 - delta))
    return variance


def _counts(only_a: ArrayLike, only_b: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(only_a, dtype=np.float64), np.asarray(only_b, dtype=np.float64)
    if np.any(a < 0) or np.any(b < 0):
        raise ValueError("only_a, only_b: wanted counts of at least 0")
    return a, b
