"""Entropy of predictions: how unsure a model is of a sample (Oh et al., ICLR 2025, section 4)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, log_softmax

from tasks.numerics.checks import Floats, finite_array


def log_probabilities(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return log softmax(z / T), shape (n, classes), from logits of the same shape."""
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature: wanted a number above 0, got {temperature}")
    result: Floats = log_softmax(finite_array(logits, "logits", 2) / temperature, axis=1)
    return result


def entropy_of(log_p: Floats) -> Floats:
    """Return H = −Σ_c p_c ln p_c in nats, shape (n,), from log probabilities (n, classes).

    A probability that underflows to zero adds nothing, as in the limit p ln p → 0.
    """
    result: Floats = entr(np.exp(log_p)).sum(axis=1)
    return np.maximum(result, 0.0)  # rounding can leave −1e-16


def softmax_entropy(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return the entropy of softmax(z / T).

    Args:
        logits: (n, classes), any float type.
        temperature: T > 0, from calibration on labelled in-distribution data.

    Returns:
        (n,) float64, nats, between 0 and ln(classes).

    Raises:
        ValueError: the logits are empty, not two-dimensional or not finite; T is not above 0.
    """
    return entropy_of(log_probabilities(logits, temperature))
