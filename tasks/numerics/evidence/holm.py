"""Holm's correction of the p-values of several tests."""

import numpy as np
from numpy.typing import ArrayLike

from tasks.numerics.checks import Floats


def holm(p_values: ArrayLike) -> Floats:
    """Return the corrected p-values of m tests (Holm, Scand. J. Stat. 1979).

    The smallest p-value is multiplied by m, the next one by m − 1, and so on; none falls below the one before it, and
    none exceeds 1. Whoever rejects where the corrected value is below 0.05 makes one false rejection or more with
    probability 0.05 at most, whatever the tests have in common.

    Args:
        p_values: (m,) p-values, each from 0 to 1.

    Returns:
        (m,) corrected p-values in the same order; an empty array for no tests.

    Raises:
        ValueError: the array has another number of axes, or a value is not between 0 and 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError(f"p_values: wanted one dimension, got shape {p.shape}")
    if not np.all((p >= 0) & (p <= 1)):  # refuses NaN too
        raise ValueError("p_values: wanted numbers from 0 to 1")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected
