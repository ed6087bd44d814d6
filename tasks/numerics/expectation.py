"""The expectation step of mixtures, and the results of fits: responsibilities, and sums of sufficient statistics."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from tasks.numerics.checks import Floats


class Fit(NamedTuple):
    """The result of one start."""

    weights: Floats
    """(K,)"""
    parameters: Floats
    """(K, p) the parameters of the family."""
    lower_bound: float
    """Mean log-likelihood per sample, nats."""
    iterations: int
    converged: bool


class Assessment(NamedTuple):
    """A fitted mixture measured on samples."""

    bic: float
    """Bayesian information criterion −2 ln L + d ln n of d free parameters; lower is better."""
    samples: NDArray[np.int64]
    """(K,) the samples whose largest responsibility is the component's."""


def joint_densities(statistics: Floats, weights: Floats, natural: Floats, normalizer: Floats) -> Floats:
    """Return log w_k + log p_k(x), (K, n), so that reductions over the components run along whole rows.

    Args:
        statistics: (n, s) t(x) of the samples of one piece.
        weights: (K,) summing to one.
        natural: (K, s) η of the components.
        normalizer: (K,) A(η).
    """
    with np.errstate(divide="ignore"):  # a component of weight 0 has log weight −∞, and so responsibility 0
        constant = np.log(weights) - normalizer
    joint: Floats = natural @ statistics.T
    joint += constant[:, None]
    return joint


def expect(
    statistics: Iterable[Floats], weights: Floats, natural: Floats, normalizer: Floats
) -> tuple[Floats, Floats, float]:
    """Return the components' masses (K,), weighted sums of the statistics (K, s), and the log-likelihood, nats.

    Args:
        statistics: arrays (n_i, s) of the samples piece by piece, in whose order the sums are added.
        weights: (K,) summing to one.
        natural: (K, s) η of the components.
        normalizer: (K,) A(η).
    """
    mass = np.zeros(len(weights))
    sums = np.zeros_like(natural)
    total = 0.0
    for piece in statistics:
        joint = joint_densities(piece, weights, natural, normalizer)
        highest = joint.max(axis=0)
        joint -= highest
        responsibilities = np.exp(joint, out=joint)
        evidence = responsibilities.sum(axis=0)
        responsibilities /= evidence
        mass += responsibilities.sum(axis=1)
        sums += responsibilities @ piece
        total += float(np.sum(np.log(evidence) + highest))
    return mass, sums, total


def evidence_of(joint: Floats) -> Floats:
    """Return the log density of each sample, (n,), nats.

    Args:
        joint: (n, K) log w_k + log p_k(x).
    """
    result: Floats = logsumexp(joint, axis=1)
    return result


def responsibilities_of(joint: Floats) -> Floats:
    """Return the responsibilities (n, K), each row summing to one.

    Args:
        joint: (n, K) log w_k + log p_k(x).
    """
    result: Floats = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return result
