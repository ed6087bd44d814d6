"""The checks of arrays that several formulas share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def finite_array(values: ArrayLike, name: str, dimensions: int) -> Floats:
    """Return an array as float64, after a check of its axes, its size and its numbers.

    Args:
        values: any numbers.
        name: the argument's name, with which the message begins.
        dimensions: number of axes that the array must have.

    Raises:
        ValueError: the array has another number of axes, is empty, or holds a number that is not finite.

    Example:
        >>> finite_array([1, 2], "entropies", 1)
        array([1., 2.])
        >>> finite_array([1.0, float("nan")], "entropies", 1)
        Traceback (most recent call last):
        ValueError: entropies: wanted finite numbers, got nan at flat index 1 (1 in all)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        raise ValueError(f"{name}: wanted {dimensions} dimension(s), got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name}: wanted at least one value, got shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"{name}: wanted finite numbers, got {array.flat[bad[0]]} at flat index {bad[0]} ({bad.size} in all)"
        )
    return array
