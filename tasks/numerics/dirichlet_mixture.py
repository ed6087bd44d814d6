"""Mixture of Dirichlet distributions on the coefficients of many models (Oh et al., section 4.3)."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from tasks.numerics import concentration
from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.expectation_maximization import MixtureModel

_EDGE = 1e-6  # a coefficient of exactly 0 has an infinite logarithm
_LEAST_VARIANCE = 1e-12
_ROUNDING = 1e-12  # of a sum that is one


class DirichletMixture(MixtureModel):
    """Mixture of K Dirichlet distributions over M coefficients, fitted by EM.

    Args:
        n_components: K.
        n_init: k-means starts.
        max_iter: iterations of one start.
        tol: a fit has settled when the mean log-likelihood changes by less.
        random_state: seed of the starts.
        m_step: `mle` maximises the likelihood (Newton), which then never falls; `moments` matches weighted means and
            the coordinates' pooled variance.

    Learnt, beside those of the base: `alpha_` (K, M) and `means_` = α / Σα, (K, M).
    """

    alpha_: Floats
    means_: Floats

    def __init__(
        self,
        n_components: int = 1,
        *,
        n_init: int = 5,
        max_iter: int = 500,
        tol: float = 1e-5,
        random_state: int | None = None,
        m_step: Literal["moments", "mle"] = "mle",
    ) -> None:
        super().__init__(n_components, n_init=n_init, max_iter=max_iter, tol=tol, random_state=random_state)
        self.m_step = m_step

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.m_step not in ("moments", "mle"):
            raise ValueError(f"m_step: wanted 'moments' or 'mle', got {self.m_step!r}")

    def _check(self, x: ArrayLike) -> Floats:
        samples = finite_array(x, "samples", 2)
        if samples.shape[1] < 2:
            raise ValueError(f"samples: wanted at least 2 coefficients a row, got {samples.shape[1]}")
        if samples.min() < 0 or not np.allclose(samples.sum(axis=1), 1.0, atol=1e-6):
            raise ValueError("samples: wanted rows on the simplex (at least 0, summing to one)")
        return _inside(samples)

    def _statistics(self, samples: Floats) -> Floats:
        return np.hstack([np.log(samples), samples, samples * samples])

    def _natural(self, parameters: Floats) -> tuple[Floats, Floats]:
        natural = np.zeros((len(parameters), 3 * parameters.shape[1]))
        natural[:, : parameters.shape[1]] = parameters - 1.0
        return natural, gammaln(parameters).sum(axis=1) - gammaln(parameters.sum(axis=1))

    def _maximize(self, means: Floats, previous: Floats | None) -> Floats:
        mean_log, mean, mean_square = np.split(means, 3, axis=1)
        if previous is not None and self.m_step == "mle":
            return concentration.maximum_likelihood(mean_log, previous)
        # matches moments, also as the first guess: every coordinate gives a precision, their variances pooled
        room = mean * (1.0 - mean)
        variance = np.maximum(mean_square - mean**2, _LEAST_VARIANCE)
        precision = np.clip(room.sum(axis=1) / variance.sum(axis=1) - 1.0, 1e-3, 1e6)
        return concentration.from_mean_and_precision(mean, precision)

    def _store(self, parameters: Floats) -> None:
        self.alpha_ = parameters
        self.means_ = parameters / parameters.sum(axis=1, keepdims=True)

    def _degrees(self, parameters: Floats) -> int:
        return int(parameters.size)


def _inside(samples: Floats) -> Floats:
    """Return rows of the simplex without a coefficient below `_EDGE`: those are raised to it, the others shrink.

    Rows that are inside already stay as they are, so that doing it twice is doing it once.
    """
    totals = samples.sum(axis=1, keepdims=True)
    rows: Floats = np.where(np.abs(totals - 1.0) > _ROUNDING, samples / totals, samples)
    edge = min(_EDGE, 0.5 / samples.shape[1])
    low = rows < edge
    while True:
        rest = np.where(low, 0.0, rows)
        scaled = rest * ((1.0 - edge * low.sum(axis=1)) / rest.sum(axis=1))[:, None]
        below = ~low & (scaled < edge) & low.any(axis=1, keepdims=True)  # what was only just above it
        if not below.any():
            break
        low |= below
    inside: Floats = np.where(low.any(axis=1, keepdims=True), np.where(low, edge, scaled), rows)
    return inside
