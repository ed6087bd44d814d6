"""The ends of 95 % confidence intervals: of shares of samples, and of numbers with replicates from resamples."""

from functools import cache
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
    """Return the interval between two quantiles of a number's replicates, corrected for the number's bias.

    On resamples, a biased number differs from its value on the samples about as much as that value differs from the
    truth (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 10): macro F1 over many classes is too
    low on both. So the quantiles are moved by twice the bias, once for the replicates' and once for the value's, and
    the interval is extended to the value where it does not hold it.

    Args:
        value: the number on the samples themselves.
        replicates: (B,) the number on each resample; NaN on a resample on which it is not defined.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The ends; None where the replicates say nothing: fewer than half of them are defined, or all are equal, since
        the samples are too few or too alike.

    Example:
        >>> low, high = bootstrap_interval(5.0, np.arange(1.0, 40.0) / 4)
        >>> print(f"{low:.2f} {high:.2f}")
        0.25 9.75
        >>> bootstrap_interval(1.0, np.ones(101)) is None
        True
    """
    defined = replicates[~np.isnan(replicates)]
    if 2 * len(defined) < len(replicates) or not len(defined) or defined.min() == defined.max():
        return None
    tail = (1.0 - confidence) / 2
    # of B replicates, the quantile p is number (B + 1) p: a further number is below it with probability p
    low, high = np.quantile(defined, (tail, 1.0 - tail), method="weibull") - 2 * (defined.mean() - value)
    return Interval(min(float(low), value), max(float(high), value))


def distance_interval(terms: Floats, part: NDArray[np.int64], confidence: float = CONFIDENCE) -> Interval | None:
    """Return an interval of Σ_b |d_b|, where d_b is the mean over all samples of the terms of part b.

    The calibration error is such a distance. Noise h of the means makes it larger, the more the nearer the truth is to
    0, so that neither quantiles of replicates nor their correction for bias hold a truth near 0. The error of a part
    lies between its sign times h_b, which it is far from 0, and |h_b|, which it is at 0 (the directional derivatives of
    the absolute value; Fang and Santos, Review of Economic Studies 2019). The low end assumes the larger error in the
    parts whose means are within three standard errors of 0, where the sign is not known; the high end assumes the
    smaller error in all parts. The noise is normal with the covariance of the means.

    Args:
        terms: (n,) the samples' terms.
        part: (n,) the number of each sample's part, from 0.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The ends; None where the terms of all samples are equal, since the samples are too few or too alike.

    Example:
        >>> low, high = distance_interval(np.tile([0.3, 0.5], 50), np.tile([0, 1], 50))
        >>> print(f"{low:.2f} {high:.2f}")
        0.38 0.42
    """
    if np.ptp(terms) == 0 and np.ptp(part) == 0:
        return None
    means = np.bincount(part, terms) / len(terms)
    covariance = (np.diag(np.bincount(part, terms**2) / len(terms)) - np.outer(means, means)) / len(terms)
    variances, directions = np.linalg.eigh(covariance)
    noise = (directions * np.sqrt(np.maximum(variances, 0.0))) @ _normal_draws(len(means))
    signed = np.sign(means)[:, None] * noise
    unknown = np.abs(means) <= 3 * np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    largest = np.where(unknown[:, None], np.abs(noise), signed).sum(axis=0)
    value, tail = float(np.abs(means).sum()), (1.0 - confidence) / 2
    low, high = value - np.quantile(largest, 1.0 - tail), value - np.quantile(signed.sum(axis=0), tail)
    return Interval(min(max(float(low), 0.0), value), max(float(high), value))


@cache
def _normal_draws(parts: int) -> Floats:
    """Return standard normal numbers (parts, draws), the same in every process."""
    return np.random.Generator(np.random.PCG64(parts)).standard_normal((parts, 4000))
