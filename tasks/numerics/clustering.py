"""Clusters of coefficients: the mixture that fits how many models there are, and how many clusters."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.dirichlet_mixture import DirichletMixture

MStep = Literal["moments", "mle"]

MOST_AUTO = 8  # clusters that `auto` goes up to; each one costs a merged model


class Clustering(NamedTuple):
    """A fitted mixture and what it says of every sample. K components, M models."""

    weights: Floats
    """(K,)"""
    concentration: Floats
    """(K, M) of the Dirichlet; two models' Beta is the Dirichlet of (1 − λ, λ)."""
    coefficients: Floats
    """(K, M) the components' means: what the samples of a cluster are merged with."""
    assignment: NDArray[np.int32]
    """(n,) component of largest responsibility."""
    responsibilities: Floats
    """(n, K)"""
    lower_bound: float
    bic: float
    iterations: int
    converged: bool


def cluster_coefficients(
    coefficients: Floats, components: int | Literal["auto"], *, seed: int | None = None, m_step: MStep | None = None
) -> Clustering:
    """Cluster the coefficients (n, M) of n samples: a Beta mixture on λ for two models, a Dirichlet mixture for more.

    `m_step` None: by moments for two models, as published; by maximum likelihood for more. `auto` takes the number of
    components, up to `MOST_AUTO`, of the lowest BIC.
    """
    values = finite_array(coefficients, "coefficients", 2)
    if components != "auto":
        return _cluster(values, components, seed, m_step)
    tried = [_cluster(values, k, seed, m_step) for k in range(1, min(MOST_AUTO, len(values)) + 1)]
    return min(tried, key=lambda clustering: clustering.bic)


def _cluster(values: Floats, components: int, seed: int | None, m_step: MStep | None) -> Clustering:
    if values.shape[1] == 2:
        tuned = values[:, 1]
        beta = BetaMixture(components, random_state=seed, m_step=m_step or "moments").fit(tuned)
        concentration = np.column_stack([beta.beta_, beta.alpha_])
        return _describe(beta, tuned, concentration)
    dirichlet = DirichletMixture(components, random_state=seed, m_step=m_step or "mle").fit(values)
    return _describe(dirichlet, values, dirichlet.alpha_)


def _describe(mixture: BetaMixture | DirichletMixture, samples: Floats, concentration: Floats) -> Clustering:
    responsibilities = mixture.predict_proba(samples)
    return Clustering(
        weights=mixture.weights_,
        concentration=concentration,
        coefficients=concentration / concentration.sum(axis=1, keepdims=True),
        assignment=responsibilities.argmax(axis=1).astype(np.int32),
        responsibilities=responsibilities,
        lower_bound=mixture.lower_bound_,
        bic=mixture.bic(samples),
        iterations=mixture.n_iter_,
        converged=mixture.converged_,
    )
