"""Output ensembles: the models' probabilities are mixed instead of their weights."""

import numpy as np

from tasks.numerics.checks import Floats, finite_array


def mix_predictions(log_p: list[Floats], coefficients: Floats) -> Floats:
    """Return the log probabilities of an output ensemble, log Σ_m c_m p_m.

    Args:
        log_p: M arrays (n, classes) of log probabilities.
        coefficients: (n, M) of each sample, or (M,) of all; at least 0, summing to one over the models.

    Returns:
        (n, classes) float64, nats; −∞ for a class to which every model gives probability 0.

    Raises:
        ValueError: the coefficients are not M numbers a row, are negative, or do not sum to one.

    Example:
        >>> log_p = [np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])]
        >>> np.exp(mix_predictions(log_p, np.array([0.5, 0.5]))).round(2)
        array([[0.6, 0.4]])
    """
    weights = finite_array(np.atleast_2d(coefficients), "coefficients", 2)
    if weights.shape[1] != len(log_p) or np.any(weights < 0) or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError(f"coefficients: wanted rows of {len(log_p)} that sum to one, none negative, got {weights[0]}")
    mixed = np.zeros_like(log_p[0])
    for m, values in enumerate(log_p):
        mixed += weights[:, m : m + 1] * np.exp(values)
    with np.errstate(divide="ignore"):  # the logarithm of probability 0 is meant to be −∞
        result: Floats = np.log(mixed)
    return result
