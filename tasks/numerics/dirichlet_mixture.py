"""Mixture of Dirichlet distributions on the coefficients of many models (Oh et al., section 3)."""

from typing import Literal

import numpy as np
from scipy.special import gammaln

from tasks.numerics import concentration
from tasks.numerics.checks import Floats
from tasks.numerics.expectation_maximization import MixtureModel

_EDGE = 1e-6  # coefficients are raised to this; the logarithm of 0 is infinite
_LEAST_VARIANCE = 1e-12
_ROUNDING = 1e-12  # distance from one of a row's sum that counts as rounding


class DirichletMixture(MixtureModel):
    """Mixture of K Dirichlet distributions on the simplex of M coefficients, fitted by expectation-maximisation.

    Samples `x` have shape (n, M), M ≥ 2, with rows on the simplex. The mean of a component gives the coefficients with
    which its cluster is merged.

    Args:
        n_components: K.
        n_init: number of k-means starts, of which the fit keeps the best.
        max_iter: most iterations of one start.
        tol: change of the mean log-likelihood, nats, below which a fit has converged.
        random_state: seed of the starts.
        m_step: `mle` maximises the likelihood by Newton's method, so that it never falls; `moments` matches the
            weighted means and the pooled variance of the coordinates.

    Attributes:
        alpha_: (K, M) concentrations of each component.
        means_: (K, M) α / Σα, in ascending order of the first coordinate.

    Further attributes are those of `MixtureModel`.

    Example:
        >>> x = np.array([[0.8, 0.1, 0.1], [0.7, 0.1, 0.2], [0.1, 0.1, 0.8], [0.1, 0.2, 0.7]])
        >>> mixture = DirichletMixture(2, random_state=0).fit(x)
        >>> mixture.means_.round(2)
        array([[0.1 , 0.15, 0.75],
               [0.75, 0.1 , 0.15]])
        >>> mixture.predict(x)
        array([1, 1, 0, 0])
    """

    dimensions = 2

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
        super().__init__(
            n_components, n_init=n_init, max_iter=max_iter, tol=tol, m_step=m_step, random_state=random_state
        )

    @staticmethod
    def _refuse(piece: Floats, first: int) -> None:
        if piece.shape[1] < 2:
            raise ValueError(f"samples: wanted at least 2 coefficients a row, got {piece.shape[1]}")
        outside = np.flatnonzero((piece.min(axis=1) < 0) | ~np.isclose(piece.sum(axis=1), 1.0, atol=1e-6))
        if outside.size:
            raise ValueError(
                f"samples: wanted rows on the simplex (at least 0, summing to one), got {piece[outside[0]]} "
                f"at sample {first + outside[0]:,} ({outside.size} in its piece of {len(piece):,})"
            )

    @staticmethod
    def _inside(piece: Floats) -> Floats:
        return inside_simplex(piece)

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
        # moments, which are also the start of `mle`: one precision from the pooled variance of the coordinates
        room = mean * (1.0 - mean)
        variance = np.maximum(mean_square - mean**2, _LEAST_VARIANCE)
        precision = np.clip(room.sum(axis=1) / variance.sum(axis=1) - 1.0, 1e-3, 1e6)
        return concentration.from_mean_and_precision(mean, precision)

    def _store(self, parameters: Floats) -> None:
        self.alpha_ = parameters
        self.means_ = parameters / parameters.sum(axis=1, keepdims=True)

    def _degrees(self, parameters: Floats) -> int:
        return int(parameters.size)


def inside_simplex(samples: Floats) -> Floats:
    """Return samples of the simplex with every coefficient raised to at least 1e-6, and the others shrunk in turn.

    A row without smaller coefficients is not changed, so that a second call changes nothing.

    Args:
        samples: (n, M) at least 0, each row summing to one up to rounding.

    Returns:
        (n, M) float64, each row summing to one.
    """
    totals = samples.sum(axis=1, keepdims=True)
    rows: Floats = np.where(np.abs(totals - 1.0) > _ROUNDING, samples / totals, samples)
    edge = min(_EDGE, 0.5 / samples.shape[1])
    low = rows < edge
    if not low.any():
        return rows
    while True:
        rest = np.where(low, 0.0, rows)
        scaled = rest * ((1.0 - edge * low.sum(axis=1)) / rest.sum(axis=1))[:, None]
        below = ~low & (scaled < edge) & low.any(axis=1, keepdims=True)  # shrinking took it below the edge
        if not below.any():
            break
        low |= below
    inside: Floats = np.where(low.any(axis=1, keepdims=True), np.where(low, edge, scaled), rows)
    return inside
