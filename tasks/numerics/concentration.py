"""Dirichlet concentrations from moments or by maximum likelihood; the Beta is the Dirichlet of two coefficients."""

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from tasks.numerics.checks import Floats

_NEWTON_STEPS = 100
_SMALLEST, _LARGEST = 1e-8, 1e10  # a component that shrinks to a point has no finite maximum-likelihood concentration


def from_mean_and_precision(mean: Floats, precision: Floats) -> Floats:
    """Return the concentrations α = s · mean of K Dirichlet distributions, kept inside a finite range.

    Args:
        mean: (K, M) means, each row on the simplex.
        precision: (K,) s = Σ_m α_m, above 0.

    Returns:
        (K, M) float64, above 0.
    """
    return np.clip(mean * precision[:, None], _SMALLEST, _LARGEST)


def maximum_likelihood(mean_log: Floats, start: Floats) -> Floats:
    """Return the concentrations of highest likelihood for K Dirichlet distributions.

    Newton's method solves ψ(α_m) − ψ(Σα) = E[ln x_m]; the Hessian is diagonal plus rank one, with an inverse in closed
    form (Minka, "Estimating a Dirichlet distribution", 2000, eq. 15–18). The steps are taken in ln α, so that α stays
    positive, and a step that lowers the likelihood is halved, so that the likelihood never falls.

    Args:
        mean_log: (K, M) responsibility-weighted means of ln x.
        start: (K, M) α to begin with, above 0.

    Returns:
        (K, M) float64, above 0.
    """
    return np.stack([_newton(target, alpha) for target, alpha in zip(mean_log, start, strict=True)])


def _likelihood(alpha: Floats, mean_log: Floats) -> float:
    """Return the mean log-likelihood per sample, nats."""
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
    """Return a direction in ln α in which the likelihood grows: Newton's, or the gradient where Newton's descends."""
    total = alpha.sum()
    gradient = alpha * (digamma(total) - digamma(alpha) + mean_log)  # by the chain rule, d/d ln α = α d/dα
    diagonal = -(alpha**2) * polygamma(1, alpha) + gradient
    z = float(polygamma(1, total))
    # Sherman–Morrison on diag(d) + z α αᵀ
    with np.errstate(all="ignore"):  # a singular Hessian gives no finite Newton step, which the test below notices
        inner = gradient / diagonal
        correction = z * np.dot(alpha, inner) / (1.0 + z * np.dot(alpha**2, 1.0 / diagonal))
        newton: Floats = -(inner - correction * alpha / diagonal)
    if np.all(np.isfinite(newton)) and np.dot(newton, gradient) > 0:
        return newton
    scaled: Floats = gradient / max(float(np.max(np.abs(gradient))), 1e-300)
    return scaled
