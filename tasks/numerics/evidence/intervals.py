"""The ends of 95 % confidence intervals: of shares of samples, and of numbers with replicates from resamples."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from tasks.numerics.checks import Floats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The ends of a confidence interval."""

    low: float
    high: float


def wilson_interval(hits: int, samples: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the ends of Wilson's score interval of a fraction (Wilson, JASA 1927).

    It stays inside [0, 1] and does not shrink to a point at 0 or 1. scipy.stats has the same interval, and takes half
    a second to import, which every command would wait for.

    Args:
        hits: number of successes, from 0 to `samples`.
        samples: number of trials, at least 1.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: no trials exist, or more successes than trials.

    Example:
        >>> low, high = wilson_interval(2, 4)
        >>> print(f"{low:.4f} {high:.4f}")
        0.1500 0.8500
    """
    if samples < 1 or not 0 <= hits <= samples:
        raise ValueError(f"Wilson's interval: wanted successes among at least one trial, got {hits} of {samples}")
    z = float(ndtri(0.5 + confidence / 2))
    fraction, shrinkage = hits / samples, 1.0 + z**2 / samples
    centre = (fraction + z**2 / (2 * samples)) / shrinkage
    half = z * ((fraction * (1.0 - fraction) + z**2 / (4 * samples)) / samples) ** 0.5 / shrinkage
    # at the ends the interval touches 0 and 1, which rounding would miss
    return Interval(0.0 if hits == 0 else centre - half, 1.0 if hits == samples else centre + half)


def minimum_interval(hits: NDArray[Any], samples: NDArray[Any], confidence: float = CONFIDENCE) -> Interval:
    """Return an interval that holds the lowest of several success probabilities at least as often as it says.

    The lowest of several fractions is biased: chance makes one of them low, so neither its own interval nor a bootstrap
    holds the lowest probability often enough. This interval joins the bounds of Clopper and Pearson (Biometrika 1934),
    with α = 1 − confidence. Its low end is the lowest lower bound of level 1 − α/2: it is too high only where the bound
    of the one lowest probability is. Its high end is the lowest upper bound of level 1 − α/(2C) for C fractions: it is
    too low only where one of C bounds is (Bonferroni). Both together fail with probability α at most.

    Args:
        hits: (C,) number of successes of each fraction.
        samples: (C,) number of trials of each fraction, at least 1.
        confidence: least coverage of the interval, between 0 and 1.

    Raises:
        ValueError: a fraction has no trials, or more successes than trials.

    Example:
        >>> low, high = minimum_interval(np.array([8.0, 5.0]), np.array([10.0, 10.0]))
        >>> print(f"{low:.3f} {high:.3f}")
        0.187 0.841
    """
    if not samples.size or np.any(samples < 1) or np.any(hits < 0) or np.any(hits > samples):
        raise ValueError("interval of the lowest fraction: wanted successes among at least one trial of each fraction")
    tail = (1.0 - confidence) / 2
    failures = samples - hits
    # the Beta distribution needs positive arguments; at 0 and 1 the bounds are these numbers
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), failures + 1, tail), 0.0)
    high = np.where(failures > 0, betaincinv(hits + 1, np.maximum(failures, 1), 1 - tail / len(hits)), 1.0)
    return Interval(float(low.min()), float(high.min()))


def bootstrap_interval(value: float, replicates: Floats, confidence: float = CONFIDENCE) -> Interval | None:
    """Return the interval between two quantiles of a number's replicates (Efron, Annals of Statistics 1979).

    Args:
        value: the number on the samples themselves.
        replicates: (B,) the number on each resample; NaN on a resample on which it is not defined.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The ends; None where the replicates say nothing: fewer than half of them are defined, or all are equal, since
        the samples are too few or too alike.

    Example:
        >>> low, high = bootstrap_interval(50.0, np.arange(101.0))
        >>> print(f"{low:.1f} {high:.1f}")
        2.5 97.5
        >>> bootstrap_interval(1.0, np.ones(101)) is None
        True
    """
    defined = replicates[~np.isnan(replicates)]
    if 2 * len(defined) < len(replicates) or not len(defined) or defined.min() == defined.max():
        return None
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(defined, (tail, 1.0 - tail))
    return Interval(float(low), float(high))
