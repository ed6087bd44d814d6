"""Dirichlet concentrations from moments or from mean logarithms; the Beta is the Dirichlet of two."""

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from tasks.numerics.checks import Floats

_NEWTON_STEPS = 100
_SMALLEST, _LARGEST = 1e-8, 1e10  # a component that shrinks to a point has no finite maximum-likelihood concentration


def from_mean_and_precision(mean: Floats, precision: Floats) -> Floats:
    """Return α (K, m) = s · mean for means (K, m) and precisions s (K,)."""
    return np.clip(mean * precision[:, None], _SMALLEST, _LARGEST)


def maximum_likelihood(mean_log: Floats, start: Floats) -> Floats:
    """Return α (K, m) that maximises the Dirichlet likelihood of given mean logarithms.

    Newton's method on ψ(α_j) − ψ(Σα) = E[ln x_j], whose Hessian is diagonal plus rank one and inverts in closed
    form (Minka, "Estimating a Dirichlet distribution", 2000, eq. 15–18). Works on ln α, so that no step leaves
    the positive numbers, and halves a step that lowers the likelihood: it never falls.

    Args:
        mean_log: (K, m) responsibility-weighted means of ln x.
        start: (K, m) where to begin, > 0.
    """
    return np.stack([_newton(target, alpha) for target, alpha in zip(mean_log, start, strict=True)])


def _likelihood(alpha: Floats, mean_log: Floats) -> float:
    return float(gammaln(alpha.sum()) - gammaln(alpha).sum() + np.dot(alpha - 1.0, mean_log))


def _newton(mean_log: Floats, alpha: Floats) -> Floats:
    value = _likelihood(alpha, mean_log)
    for _ in range(_NEWTON_STEPS):
        direction = _direction(alpha, mean_log)
        step = 1.0
        while step > 1e-10:
            candidate = np.clip(alpha * np.exp(np.clip(step * direction, -3.0, 3.0)), _SMALLEST, _LARGEST)
            reached = _likelihood(candidate, mean_log)
            if reached >= value:
                break
            step /= 2
        else:
            return alpha
        settled = np.max(np.abs(candidate - alpha) / alpha) < 1e-10
        alpha, value = candidate, reached
        if settled:
            break
    return alpha


def _direction(alpha: Floats, mean_log: Floats) -> Floats:
    """Return the ascent direction in ln α: Newton's, or the gradient's where Newton's does not ascend."""
    total = alpha.sum()
    gradient = alpha * (digamma(total) - digamma(alpha) + mean_log)  # by the chain rule, d/d ln α = α d/dα
    diagonal = -(alpha**2) * polygamma(1, alpha) + gradient
    z = float(polygamma(1, total))
    # Sherman–Morrison on diag(d) + z α αᵀ
    with np.errstate(all="ignore"):  # a Hessian that cancels out to nothing has no Newton step; that is seen below
        inner = gradient / diagonal
        share = z * np.dot(alpha, inner) / (1.0 + z * np.dot(alpha**2, 1.0 / diagonal))
        newton: Floats = -(inner - share * alpha / diagonal)
    if np.all(np.isfinite(newton)) and np.dot(newton, gradient) > 0:
        return newton
    scaled: Floats = gradient / max(float(np.max(np.abs(gradient))), 1e-300)
    return scaled
