"""Clusters of coefficients by a Beta mixture (two models) or a Dirichlet mixture (more), and their number by BIC."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.checks import Floats
from tasks.numerics.dirichlet_mixture import DirichletMixture
from tasks.numerics.pieces import Mapped, Pieces

MStep = Literal["moments", "mle"]

MOST_AUTO = 8  # clusters that `auto` tries; each cluster costs a merged model


class Clusters(NamedTuple):
    """A fitted mixture of K components on the coefficients of M models."""

    weights: Floats
    """(K,) the components' weights, summing to one."""
    concentration: Floats
    """(K, M) the Dirichlet concentrations; the Beta of two models is the Dirichlet of (1 − λ, λ)."""
    coefficients: Floats
    """(K, M) the components' means, with which the samples of a cluster are merged."""
    samples: NDArray[np.int64]
    """(K,) the number of samples in each cluster."""
    lower_bound: float
    """Mean log-likelihood per sample, nats."""
    bic: float
    """Bayesian information criterion; lower is better."""
    iterations: int
    converged: bool


class Assigned(NamedTuple):
    """The clusters of n samples."""

    assignment: NDArray[np.int32]
    """(n,) the cluster of each sample: its component of largest responsibility."""
    responsibilities: Floats
    """(n, K) each row summing to one."""


class Clustering(NamedTuple):
    """A fitted mixture with the clusters of the samples that it was fitted to."""

    clusters: Clusters
    assignment: NDArray[np.int32]
    """As in `Assigned`."""
    responsibilities: Floats
    """As in `Assigned`."""


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
        >>> clustering.clusters.coefficients.round(2)
        array([[0.88, 0.12],
               [0.12, 0.88]])
    """
    clusters = find_clusters([coefficients], components, seed=seed, m_step=m_step)
    return Clustering(clusters, *assign(clusters.weights, clusters.concentration, coefficients))


def find_clusters(
    pieces: Iterable[Floats],
    components: int | Literal["auto"],
    *,
    seed: int | None = None,
    m_step: MStep | None = None,
) -> Clusters:
    """Return the clusters of coefficients that come in arrays of any lengths, in bounded memory.

    Args:
        pieces: arrays (n_i, M) of coefficients, iterated several times; each row lies on the simplex.
        components: as in `cluster_coefficients`.
        seed: as in `cluster_coefficients`.
        m_step: as in `cluster_coefficients`.

    Raises:
        ValueError: as `cluster_coefficients`, with the number of the wrong sample.
    """
    rows = Pieces(pieces, "coefficients", 2)
    count, models = rows.count(), next(iter(rows)).shape[1]
    samples = Pieces(Mapped(_tuned, rows), "samples", 1) if models == 2 else rows
    if components != "auto":
        return _fit(samples, models, components, seed, m_step)
    tried = [_fit(samples, models, k, seed, m_step) for k in range(1, min(MOST_AUTO, count) + 1)]
    return min(tried, key=lambda clusters: clusters.bic)


def assign(weights: Floats, concentration: Floats, coefficients: Floats) -> Assigned:
    """Return the clusters of samples by the components of a fitted mixture.

    Args:
        weights: (K,) of `Clusters`.
        concentration: (K, M) of `Clusters`.
        coefficients: (n, M) each row on the simplex.

    Raises:
        ValueError: coefficients are empty, not finite or not on the simplex.
    """
    count, models = concentration.shape
    if models == 2:
        beta = BetaMixture(count).restore(weights, np.ascontiguousarray(concentration[:, ::-1]))
        responsibilities = beta.predict_proba(_tuned(coefficients))
    else:
        responsibilities = DirichletMixture(count).restore(weights, concentration).predict_proba(coefficients)
    return Assigned(responsibilities.argmax(axis=1).astype(np.int32), responsibilities)


def _tuned(coefficients: Floats) -> Floats:
    return coefficients[:, 1]


def _fit(samples: Pieces, models: int, components: int, seed: int | None, m_step: MStep | None) -> Clusters:
    mixture: BetaMixture | DirichletMixture
    if models == 2:
        mixture = beta = BetaMixture(components, random_state=seed, m_step=m_step or "moments").fit_pieces(samples)
        concentration = np.column_stack([beta.beta_, beta.alpha_])
    else:
        mixture = DirichletMixture(components, random_state=seed, m_step=m_step or "mle").fit_pieces(samples)
        concentration = mixture.alpha_
    found = mixture.assess(samples)
    return Clusters(
        weights=mixture.weights_,
        concentration=concentration,
        coefficients=concentration / concentration.sum(axis=1, keepdims=True),
        samples=found.samples,
        lower_bound=mixture.lower_bound_,
        bic=found.bic,
        iterations=mixture.n_iter_,
        converged=mixture.converged_,
    )
