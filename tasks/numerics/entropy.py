"""Probabilities and entropies of a model's predictions (Oh et al., arXiv 2410.03782, section 3)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, log_softmax

from tasks.numerics.checks import Floats, finite_array


def log_probabilities(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return the log probabilities log softmax(z / T).

    Args:
        logits: (n, classes) z, any float type.
        temperature: T > 0.

    Returns:
        (n, classes) float64, nats, at most 0.

    Raises:
        ValueError: the logits are empty, not two-dimensional or not finite; T is not above 0.

    Example:
        >>> np.exp(log_probabilities([[0.0, np.log(3)]])).round(2)
        array([[0.25, 0.75]])
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature: wanted a number above 0, got {temperature}")
    result: Floats = log_softmax(finite_array(logits, "logits", 2) / temperature, axis=1)
    return result


def entropy_of(log_p: Floats) -> Floats:
    """Return the entropy H = −Σ_c p_c ln p_c of each sample's probabilities.

    A probability that underflows to zero adds nothing, since p ln p → 0.

    Args:
        log_p: (n, classes) log probabilities.

    Returns:
        (n,) float64, nats, at least 0.
    """
    result: Floats = entr(np.exp(log_p)).sum(axis=1)
    return np.maximum(result, 0.0)  # rounding can leave −1e-16


def softmax_entropy(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return the entropy of softmax(z / T) for each sample.

    Args:
        logits: (n, classes) z, any float type.
        temperature: T > 0, from calibration on labelled in-distribution data.

    Returns:
        (n,) float64, nats, between 0 and ln(classes).

    Raises:
        ValueError: the logits are empty, not two-dimensional or not finite; T is not above 0.

    Example:
        >>> softmax_entropy([[0.0, 0.0], [0.0, 50.0]]).round(4)  # ln 2, and nearly certain
        array([0.6931, 0.    ])
    """
    return entropy_of(log_probabilities(logits, temperature))
