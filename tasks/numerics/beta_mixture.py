"""Mixture of Beta distributions on the interpolation coefficients λ of two models (Oh et al., section 3)."""

from typing import Literal

import numpy as np
from scipy.special import betaln

from tasks.numerics import concentration
from tasks.numerics.checks import Floats
from tasks.numerics.expectation_maximization import MixtureModel

_EDGE = 1e-6  # λ is kept this far from 0 and 1, whose logarithms are infinite
_LEAST_VARIANCE = 1e-10


class BetaMixture(MixtureModel):
    """Mixture of K Beta distributions on λ in [0, 1], fitted by expectation-maximisation.

    Samples `x` have shape (n,). The mean of a component is the coefficient with which its cluster is merged.

    Args:
        n_components: K.
        n_init: number of k-means starts, of which the fit keeps the best.
        max_iter: most iterations of one start.
        tol: change of the mean log-likelihood, nats, below which a fit has converged.
        m_step: `moments` matches the weighted mean m and variance v, with v at most m(1 − m)/4, as published; `mle`
            maximises the likelihood by Newton's method, so that it never falls.
        random_state: seed of the starts.

    Attributes:
        alpha_: (K,) α of each component.
        beta_: (K,) β of each component.
        means_: (K,) α/(α + β), in ascending order.

    Further attributes are those of `MixtureModel`.

    Example:
        >>> x = np.array([0.10, 0.12, 0.14, 0.86, 0.88, 0.90])
        >>> mixture = BetaMixture(2, random_state=0).fit(x)
        >>> mixture.means_.round(2)
        array([0.12, 0.88])
        >>> mixture.predict(x)
        array([0, 0, 0, 1, 1, 1])
    """

    dimensions = 1

    alpha_: Floats
    beta_: Floats
    means_: Floats

    def __init__(
        self,
        n_components: int = 3,
        *,
        n_init: int = 3,
        max_iter: int = 1000,
        tol: float = 1e-4,
        m_step: Literal["moments", "mle"] = "moments",
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            n_components, n_init=n_init, max_iter=max_iter, tol=tol, m_step=m_step, random_state=random_state
        )

    @staticmethod
    def _refuse(piece: Floats, first: int) -> None:
        outside = np.flatnonzero((piece < 0) | (piece > 1))
        if outside.size:
            raise ValueError(
                f"samples: wanted values in [0, 1], got {piece[outside[0]]} at sample {first + outside[0]:,} "
                f"({outside.size} in its piece of {len(piece):,})"
            )

    @staticmethod
    def _inside(piece: Floats) -> Floats:
        return np.clip(piece, _EDGE, 1.0 - _EDGE)[:, None]

    def _statistics(self, samples: Floats) -> Floats:
        x = samples[:, 0]
        return np.column_stack([np.log(x), np.log1p(-x), x, x * x])

    def _natural(self, parameters: Floats) -> tuple[Floats, Floats]:
        natural = np.zeros((len(parameters), 4))
        natural[:, :2] = parameters - 1.0
        return natural, betaln(parameters[:, 0], parameters[:, 1])

    def _maximize(self, means: Floats, previous: Floats | None) -> Floats:
        if self.m_step == "mle" and previous is not None:
            return concentration.maximum_likelihood(means[:, :2], previous)
        mean = means[:, 2]
        room = mean * (1.0 - mean)
        variance = np.clip(means[:, 3] - mean**2, _LEAST_VARIANCE, room / 4)
        return concentration.from_mean_and_precision(np.column_stack([mean, 1.0 - mean]), room / variance - 1.0)

    def _store(self, parameters: Floats) -> None:
        self.alpha_, self.beta_ = parameters[:, 0], parameters[:, 1]
        self.means_ = self.alpha_ / (self.alpha_ + self.beta_)

    def _degrees(self, parameters: Floats) -> int:
        return int(parameters.size)
