"""Temperature scaling: the number T that makes a model's confidence, softmax(z / T), fit its accuracy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from tasks.numerics.checks import Floats, finite_array

LOWEST, HIGHEST = 0.01, 100.0  # the temperatures that an experiment accepts


class Calibration(NamedTuple):
    """A fitted temperature."""

    temperature: float
    before: float
    """Negative log-likelihood per sample at temperature 1, nats."""
    after: float
    """Negative log-likelihood per sample at the fitted temperature, nats."""
    samples: int
    """Number of samples of the fit."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Return the temperature of lowest negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    The likelihood is concave in 1/T, so a bounded search finds its only optimum.

    Args:
        logits: (n, classes) at temperature 1.
        labels: (n,) true classes.

    Returns:
        The temperature, and the negative log-likelihoods before and after.

    Raises:
        ValueError: shapes differ, a label is not a class, or the optimum lies at the border: either all samples are
            right, and a sharper prediction is always better, or the model knows nothing about them.

    Example:
        >>> logits = np.log([[0.9, 0.1]] * 4)  # sure by 90 %, right for three samples of four
        >>> fitted = fit_temperature(logits, [0, 0, 0, 1])
        >>> round(fitted.temperature, 3)  # ln 9 / ln 3: three to one, as observed
        2.0
    """
    values, classes = finite_array(logits, "logits", 2), np.asarray(labels)
    if classes.shape != (len(values),) or classes.min() < 0 or classes.max() >= values.shape[1]:
        raise ValueError(f"labels: wanted {len(values)} classes below {values.shape[1]}, got shape {classes.shape}")
    of_label = values[np.arange(len(values)), classes]

    def loss(inverse: float) -> float:
        return float(np.mean(logsumexp(values * inverse, axis=1) - of_label * inverse))

    found = minimize_scalar(loss, bounds=(1 / HIGHEST, 1 / LOWEST), method="bounded", options={"xatol": 1e-7})
    inverse = float(found.x)
    if not 1.01 / HIGHEST < inverse < 0.99 / LOWEST:
        raise ValueError(
            f"temperature: no optimum between {LOWEST} and {HIGHEST}; the likelihood still grows at the border"
        )
    return Calibration(1 / inverse, loss(1.0), loss(inverse), len(values))


def expected_calibration_error(log_p: Floats, labels: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error, the mean |accuracy − confidence| (Guo et al., ICML 2017, eq. 3).

    Args:
        log_p: (n, classes) log probabilities.
        labels: (n,) true classes.
        bins: number of equal ranges of confidence over which the samples are averaged.

    Returns:
        A number between 0 (calibrated) and 1.

    Example:
        >>> round(expected_calibration_error(np.log([[0.8, 0.2]] * 4), [0, 0, 1, 1]), 3)  # 80 % sure, 50 % right
        0.3
    """
    confidence, right = np.exp(log_p.max(axis=1)), log_p.argmax(axis=1) == np.asarray(labels)
    member = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(member, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))
