"""Refusals that several formulas share: wrong shapes, empty input, numbers that are not finite."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def finite_array(values: ArrayLike, name: str, dimensions: int) -> Floats:
    """Return `values` as float64; `ValueError` unless it has `dimensions` axes, is not empty and all finite."""
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
