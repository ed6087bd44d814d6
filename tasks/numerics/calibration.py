"""Temperature scaling: one number to divide a model's logits by, so that its confidence fits its accuracy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from tasks.numerics.checks import Floats, finite_array

LOWEST, HIGHEST = 0.01, 100.0  # temperatures; what an experiment takes


class Calibration(NamedTuple):
    """A fitted temperature."""

    temperature: float
    before: float
    """Negative log-likelihood per sample at temperature 1, nats."""
    after: float
    """At the fitted temperature."""
    samples: int


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Calibration:
    """Return the temperature of least negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    In 1/T the likelihood is concave, so that there is one optimum, found by bounded search.

    Args:
        logits: (n, classes), at temperature 1.
        labels: (n,) true classes.

    Raises:
        ValueError: shapes differ, a label is no class, or the optimum lies at the border: all samples are right (the
            sharper the better) or the model knows nothing.
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
        raise ValueError(f"temperature: no optimum between {LOWEST} and {HIGHEST}; the likelihood still grows there")
    return Calibration(1 / inverse, loss(1.0), loss(inverse), len(values))


def expected_calibration_error(log_p: Floats, labels: ArrayLike, bins: int = 15) -> float:
    """Return the mean distance of confidence and accuracy over equal ranges of confidence (Guo et al., eq. 3)."""
    confidence, right = np.exp(log_p.max(axis=1)), log_p.argmax(axis=1) == np.asarray(labels)
    member = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(member, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(confidence))
