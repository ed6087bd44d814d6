"""Clusters of coefficients by a Beta mixture (two models) or a Dirichlet mixture (more), and their number by BIC."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.checks import Floats, finite_array
from tasks.numerics.dirichlet_mixture import DirichletMixture

MStep = Literal["moments", "mle"]

MOST_AUTO = 8  # clusters that `auto` tries; each cluster costs a merged model


class Clustering(NamedTuple):
    """A fitted mixture of K components, with the clusters of n samples of M models."""

    weights: Floats
    """(K,) the components' weights, summing to one."""
    concentration: Floats
    """(K, M) the Dirichlet concentrations; the Beta of two models is the Dirichlet of (1 − λ, λ)."""
    coefficients: Floats
    """(K, M) the components' means, with which the samples of a cluster are merged."""
    assignment: NDArray[np.int32]
    """(n,) the cluster of each sample: its component of largest responsibility."""
    responsibilities: Floats
    """(n, K) each row summing to one."""
    lower_bound: float
    """Mean log-likelihood per sample, nats."""
    bic: float
    """Bayesian information criterion; lower is better."""
    iterations: int
    converged: bool


def cluster_coefficients(
    coefficients: Floats, components: int | Literal["auto"], *, seed: int | None = None, m_step: MStep | None = None
) -> Clustering:
    """Cluster samples by their coefficients (Oh et al., arXiv 2410.03782, section 3).

    Args:
        coefficients: (n, M) each row on the simplex.
        components: K, or `auto`: the number up to `MOST_AUTO` that has the lowest BIC.
        seed: random state of the starts.
        m_step: `moments` or `mle`; None: by moments for two models, as published, and by maximum likelihood for more.

    Returns:
        The fitted mixture with the cluster of each sample.

    Raises:
        ValueError: coefficients are not finite or not on the simplex, or n is below K.

    Example:
        >>> tuned = np.array([0.10, 0.12, 0.14, 0.86, 0.88, 0.90])
        >>> clustering = cluster_coefficients(np.column_stack([1 - tuned, tuned]), 2, seed=0)
        >>> clustering.assignment
        array([0, 0, 0, 1, 1, 1], dtype=int32)
        >>> clustering.coefficients.round(2)
        array([[0.88, 0.12],
               [0.12, 0.88]])
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
