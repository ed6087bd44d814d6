"""Output ensembles: mixing what the models say instead of their weights."""

import numpy as np

from tasks.numerics.checks import Floats, finite_array


def mix_predictions(log_p: list[Floats], coefficients: Floats) -> Floats:
    """Return log Σ_m c_m p_m, shape (n, classes).

    Args:
        log_p: M arrays (n, classes) of log probabilities.
        coefficients: (n, M) or (M,), ≥ 0, summing to one over the models.
    """
    weights = finite_array(np.atleast_2d(coefficients), "coefficients", 2)
    if weights.shape[1] != len(log_p) or np.any(weights < 0) or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError(f"coefficients: wanted rows of {len(log_p)} shares that sum to one, got {weights[0]}")
    mixed = np.zeros_like(log_p[0])
    for m, values in enumerate(log_p):
        mixed += weights[:, m : m + 1] * np.exp(values)
    with np.errstate(divide="ignore"):  # a class that every model gives probability 0 has log probability −∞
        result: Floats = np.log(mixed)
    return result
