"""The smallest difference that a test on a number of samples would have found: its power, seen the other way round."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincinv

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.paired import quantile


def detectable_by_mcnemar(
    discordant: ArrayLike, samples: ArrayLike, *, power: float = 0.8, level: float = 0.05
) -> Floats:
    """Return the smallest difference of accuracies that McNemar's exact test finds with a probability of `power`.

    The test sees only the D samples on which exactly one method is right. It rejects where the method that is right on
    fewer of them is right on k at most, the largest k whose two tails have probability `level` at most. The probability
    of that is `power` if a share θ of the D samples favours the better method, where Bin(k; D, 1 − θ) = `power`; and
    then the accuracies differ by D(2θ − 1) / n. D is the observed number, and at least the smallest one with which the
    test can reject at all (6 at level 0.05).

    Args:
        discordant: number D of samples on which exactly one method is right, at least 0, of any shape.
        samples: number n of all samples, at least D.
        power: probability that the test finds the difference, between 0 and 1.
        level: two-sided level of the test, between 0 and 1.

    Returns:
        The differences, as fractions; NaN where n samples are too few to show any difference.

    Example:
        >>> print(detectable_by_mcnemar([0, 30, 300], [400, 400, 5]).round(3))
        [0.014 0.037   nan]
    """
    n = np.asarray(samples, dtype=np.float64)
    smallest = int(np.ceil(1.0 - np.log2(level)))  # the two tails of k = 0 have probability 2^(1 − D)
    differing = np.maximum(np.asarray(discordant, dtype=np.float64), smallest)
    critical = _largest_count(differing, level / 2.0)
    share = betaincinv(differing - critical, critical + 1.0, power)
    found: Floats = np.where(differing <= n, differing * (2.0 * share - 1.0) / n, np.nan)
    return found


def _largest_count(trials: Floats, probability: float) -> Floats:
    """Return the largest k with Bin(k; trials, 1/2) of at most `probability`, by halving; 0 has that property."""
    low, high = np.zeros_like(trials), np.ceil(trials / 2.0)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2.0)
        fits = betainc(trials - middle, middle + 1.0, 0.5) <= probability
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low


def detectable_by_error(
    standard_error: ArrayLike, samples: ArrayLike, *, power: float = 0.8, level: float = 0.05
) -> Floats:
    """Return the smallest difference that `paired.paired_test` finds with a probability of `power`.

    The difference is (t(1 − level/2) + t(power)) standard errors, with quantiles of Student's distribution with n − 1
    degrees of freedom: 2.80 standard errors of many samples.

    Args:
        standard_error: of the difference, of any shape; 0 where it is not known.
        samples: number n of samples that were drawn independently, at least 1.
        power: probability that the test finds the difference, between 0 and 1.
        level: two-sided level of the test, between 0 and 1.

    Returns:
        The differences, in the metric's unit; NaN where the standard error is not known.

    Example:
        >>> print(detectable_by_error([0.01, 0.0], 1000).round(4))
        [0.028   nan]
    """
    error, n = np.asarray(standard_error, dtype=np.float64), np.asarray(samples, dtype=np.float64)
    freedom = np.maximum(n - 1.0, 1.0)
    factor = quantile(1.0 - level / 2.0, freedom) + quantile(power, freedom)
    found: Floats = np.where((error > 0) & (n > 1), factor * error, np.nan)
    return found
