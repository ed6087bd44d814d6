"""The difference of two methods by any metric, from the metric's values on the same resamples of the samples."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from tasks.numerics.checks import Floats

_LEAST = 2  # resamples, for a standard error


class PairedTest(NamedTuple):
    """The test of a difference; every field has the shape of the difference."""

    low: Floats
    """Lower end of the interval; NaN where the samples do not show how much the difference varies."""
    high: Floats
    p_value: Floats
    standard_error: Floats


def paired_test(
    difference: ArrayLike, replicates: ArrayLike, samples: ArrayLike, *, confidence: float = 0.95
) -> PairedTest:
    """Return the interval and the two-sided p-value of a difference, with the bootstrap's standard error.

    The bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993) gives the standard error alone; the
    interval and p come from Student's distribution with n − 1 degrees of freedom. For the mean of a term of each
    sample this is the paired t-test. The reason for a distribution: the p-value of a percentile bootstrap with B
    resamples is never below 2 / (B + 1). Holm's correction multiplies by the number of pairs, 190 for 20 methods, so
    that with 1,000 resamples no difference, however large, could survive it. The interval is made in the same way, so
    that it holds 0 exactly where p ≥ 1 − `confidence`.

    Where all resamples give the same difference, they show no standard error. If that difference is not 0, p is
    2^(1 − n): the chance that n samples all favour the same one of two equal methods.

    Args:
        difference: value of method a minus that of method b on the samples themselves, of any shape (…).
        replicates: (…, B) the same on each of B resamples that both methods share.
        samples: number n of samples that were drawn independently, at least 1; for a mean over data sets the smallest
            one's, which makes the interval longer rather than shorter.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        Intervals, p-values and standard errors, each of shape (…).

    Raises:
        ValueError: shapes do not fit, fewer than two resamples exist, a number is not finite, or n is below 1.

    Example:
        >>> random = np.random.default_rng(1)
        >>> found = paired_test(0.02, 0.02 + 0.01 * random.standard_normal(1000), 500)
        >>> print(f"{found.low:.3f} to {found.high:.3f}, p = {found.p_value:.2f}")
        0.001 to 0.039, p = 0.04
    """
    value, drawn, n = _checked(difference, replicates, samples)
    spread = drawn.std(axis=-1, ddof=1)
    # a resample of n varies by n − 1 in n parts of the variance that n new samples would have
    error = spread * np.sqrt(n / np.maximum(n - 1.0, 1.0))
    varies = (spread > _ROUNDING * np.maximum(np.abs(value), np.abs(drawn).max(axis=-1))) & (n > 1)
    freedom = np.maximum(n - 1.0, 1.0)
    half = np.where(varies, quantile(0.5 + confidence / 2, freedom) * error, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_error = 2.0 * stdtr(freedom, -np.abs(value) / error)
    without = np.where(value == 0.0, 1.0, np.exp2(1.0 - n))
    return PairedTest(value - half, value + half, np.where(varies, by_error, without), np.where(varies, error, 0.0))


def _checked(difference: ArrayLike, replicates: ArrayLike, samples: ArrayLike) -> tuple[Floats, Floats, Floats]:
    value, drawn = np.asarray(difference, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if drawn.ndim != value.ndim + 1 or drawn.shape[:-1] != value.shape or drawn.shape[-1] < _LEAST:
        raise ValueError(
            f"replicates: wanted shape {(*value.shape, 'B')} with B of at least {_LEAST}, got {drawn.shape}"
        )
    if not (np.isfinite(value).all() and np.isfinite(drawn).all()):
        raise ValueError("difference, replicates: wanted finite numbers")
    n = np.asarray(samples, dtype=np.float64)
    if np.any(n < 1):
        raise ValueError("samples: wanted at least one")
    return value, drawn, n


_ROUNDING = 1e-12  # a spread below this part of the values is that of sums in floating point


def quantile(probability: float, freedom: ArrayLike) -> Floats:
    """Return a quantile of Student's distribution.

    Args:
        probability: between 0 and 1.
        freedom: degrees of freedom, at least 1, of any shape.

    Example:
        >>> print(quantile(0.975, [1, 30, 1e6]).round(2))
        [12.71  2.04  1.96]
    """
    found: Floats = np.asarray(stdtrit(np.asarray(freedom, dtype=np.float64), probability))
    return found
