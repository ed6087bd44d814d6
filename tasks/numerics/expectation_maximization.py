"""Expectation-maximisation for mixtures of exponential families, with one loop for every family.

A family's log density is linear in a few statistics t(x) of a sample, log p_k(x) = η_k · t(x) − A(η_k), and its
maximisation step needs only the responsibility-weighted means of t. An iteration is therefore two matrix products for
each block of samples, and never holds the responsibilities of all samples in memory. Source: Dempster, Laird and
Rubin, Journal of the Royal Statistical Society B 1977.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from tasks.numerics.checks import Floats

_BLOCK = 1 << 14  # samples of a block, whose statistics and responsibilities fit in the processor's cache
_KMEANS = 1 << 13  # samples of the k-means partition that starts a fit
_DIGITS = 9  # digits of means and weights by which components are ordered


class ConvergenceWarning(UserWarning):
    """A fit ended at its last iteration, before the likelihood converged."""


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


class MixtureModel(ABC):
    """Base class of the mixtures: it owns the starts, the stopping and the order of components.

    A family supplies the abstract methods. Components are ordered by their means (first coordinate first), and
    components of equal means by their weights.

    Args:
        n_components: K.
        n_init: number of k-means starts, of which the fit keeps the best.
        max_iter: most iterations of one start.
        tol: change of the mean log-likelihood, nats, below which a fit has converged.
        random_state: seed of the starts.

    Attributes:
        weights_: (K,) summing to one.
        means_: (K,) or (K, M) the components' means.
        converged_: whether the likelihood changed by less than `tol` in the end.
        n_iter_: number of iterations of the last run.
        lower_bound_: mean log-likelihood per sample, nats.
    """

    start_samples: ClassVar[int] = 1 << 17
    """Most samples that the starts compete on, an even subset; the best start then goes on with all of them."""

    def __init__(
        self, n_components: int, *, n_init: int, max_iter: int, tol: float, random_state: int | None = None
    ) -> None:
        self.n_components = n_components
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    means_: Floats

    @abstractmethod
    def _check(self, x: ArrayLike) -> Floats:
        """Return the samples (n, d), moved inside the open support; raise `ValueError` for any outside of it."""

    @abstractmethod
    def _statistics(self, samples: Floats) -> Floats:
        """Return the statistics t(x) of each sample, (n, s)."""

    @abstractmethod
    def _natural(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the natural parameters η (K, s) and the normalisers A (K,) of parameters (K, p)."""

    @abstractmethod
    def _maximize(self, means: Floats, previous: Floats | None) -> Floats:
        """Return the parameters (K, p) that fit the weighted means (K, s) of the statistics.

        `previous` are the parameters of the iteration before, None at the start.
        """

    @abstractmethod
    def _store(self, parameters: Floats) -> None:
        """Set the attributes of the family, among them `means_`, from parameters (K, p)."""

    @abstractmethod
    def _degrees(self, parameters: Floats) -> int:
        """Return the number of free parameters of all components, their weights excluded."""

    def fit(self, x: ArrayLike) -> Self:
        """Return the mixture itself, fitted to samples from the start that ends at the highest likelihood.

        A fit that has not converged warns with `ConvergenceWarning`.

        Args:
            x: (n,) or (n, M) samples, at least as many as components.

        Raises:
            ValueError: a setting is out of range, a sample lies outside the support, or n is below K.
        """
        self._check_settings()
        samples = self._check(x)
        if len(samples) < self.n_components:
            raise ValueError(f"samples: wanted at least n_components={self.n_components}, got {len(samples)}")
        statistics = self._statistics(samples)
        stride = -(-len(samples) // self.start_samples)
        few, few_statistics = samples[::stride], statistics[::stride]
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_init)
        starts = [self._run(few_statistics, self._start(few, few_statistics, int(seed))) for seed in seeds]
        best = max(starts, key=lambda fit: fit.lower_bound)
        if stride > 1:
            best = self._run(statistics, (best.weights, best.parameters))
        if not best.converged:
            warnings.warn(
                f"{type(self).__name__} did not converge to {self.tol} in {self.max_iter} iterations; "
                "raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self._learn(best)
        return self

    def predict_proba(self, x: ArrayLike) -> Floats:
        """Return the responsibilities of the components for each sample, (n, K), each row summing to one."""
        joint = self._joint(x)
        result: Floats = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        return result

    def predict(self, x: ArrayLike) -> NDArray[np.intp]:
        """Return the component of largest responsibility for each sample, (n,)."""
        result: NDArray[np.intp] = self._joint(x).argmax(axis=1)
        return result

    def score_samples(self, x: ArrayLike) -> Floats:
        """Return the log density of each sample, (n,), nats."""
        result: Floats = logsumexp(self._joint(x), axis=1)
        return result

    def bic(self, x: ArrayLike) -> float:
        """Return the Bayesian information criterion −2 ln L + d ln n of d free parameters; lower is better.

        Source: Schwarz, Annals of Statistics 1978.
        """
        scores = self.score_samples(x)
        free = self._degrees(self._parameters) + self.n_components - 1
        return float(-2.0 * scores.sum() + free * np.log(len(scores)))

    def _check_settings(self) -> None:
        for name in ("n_components", "n_init", "max_iter"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: wanted at least 1, got {getattr(self, name)}")
        if not self.tol > 0:
            raise ValueError(f"tol: wanted a number above 0, got {self.tol}")

    def _joint(self, x: ArrayLike) -> Floats:
        if not hasattr(self, "weights_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit first")
        statistics = self._statistics(self._check(x))
        natural, normalizer = self._natural(self._parameters)
        blocks = [_joint(block, self.weights_, natural, normalizer).T for block in _blocks(statistics)]
        return np.vstack(blocks)

    def _start(self, samples: Floats, statistics: Floats, seed: int) -> tuple[Floats, Floats]:
        """Return the weights and parameters of a k-means partition of an even subset, enough for a start."""
        from sklearn.cluster import KMeans  # noqa: PLC0415 -- takes a second to import, and loads pandas where installed

        stride = -(-len(samples) // _KMEANS)
        samples, statistics = samples[::stride], statistics[::stride]
        distinct = min(self.n_components, len(np.unique(samples, axis=0)))
        labels = KMeans(distinct, n_init=1, random_state=seed).fit_predict(samples)
        counts = np.bincount(labels, minlength=self.n_components).astype(np.float64)
        sums = np.column_stack([np.bincount(labels, column, self.n_components) for column in statistics.T])
        # with fewer distinct samples than components, the components in excess start as the whole data set
        sums[counts == 0], counts[counts == 0] = statistics.mean(axis=0), 1.0
        return counts / counts.sum(), self._maximize(sums / counts[:, None], None)

    def _run(self, statistics: Floats, start: tuple[Floats, Floats]) -> Fit:
        """Iterate from a start until the mean log-likelihood changes by less than `tol`."""
        weights, parameters = start
        bound = -np.inf
        for iteration in range(1, self.max_iter + 1):
            mass, sums, new_bound = _expect(statistics, weights, *self._natural(parameters))
            if abs(new_bound - bound) < self.tol:
                return Fit(weights, parameters, new_bound, iteration, True)
            bound = new_bound
            alive = mass > np.finfo(np.float64).eps * len(statistics)  # an empty component keeps its parameters
            weights = mass / mass.sum()
            parameters = parameters.copy()
            parameters[alive] = self._maximize(sums[alive] / mass[alive, None], parameters[alive])
        return Fit(weights, parameters, bound, self.max_iter, False)

    def _learn(self, fit: Fit) -> None:
        """Set the attributes of a fit, its components in order, since k-means numbers them arbitrarily."""
        self._store(fit.parameters)
        means = np.round(self.means_.reshape(len(fit.weights), -1), _DIGITS)  # means that differ by rounding are equal
        order = np.lexsort([np.round(fit.weights, _DIGITS), *means.T[::-1]])
        self.weights_ = fit.weights[order]
        self.lower_bound_ = fit.lower_bound
        self.n_iter_ = fit.iterations
        self.converged_ = fit.converged
        self._parameters = fit.parameters[order]
        self._store(self._parameters)


def _blocks(statistics: Floats) -> Iterator[Floats]:
    for start in range(0, len(statistics), _BLOCK):
        yield statistics[start : start + _BLOCK]


def _joint(statistics: Floats, weights: Floats, natural: Floats, normalizer: Floats) -> Floats:
    """Return log w_k + log p_k(x), (K, n), so that reductions over the components run along whole rows."""
    with np.errstate(divide="ignore"):  # a component of weight 0 has log weight −∞, and so responsibility 0
        constant = np.log(weights) - normalizer
    return natural @ statistics.T + constant[:, None]


def _expect(statistics: Floats, weights: Floats, natural: Floats, normalizer: Floats) -> tuple[Floats, Floats, float]:
    """Return the components' masses (K,), weighted sums of the statistics (K, s), and the mean log-likelihood."""
    mass = np.zeros(len(weights))
    sums = np.zeros((len(weights), statistics.shape[1]))
    total = 0.0
    for block in _blocks(statistics):
        joint = _joint(block, weights, natural, normalizer)
        highest = joint.max(axis=0)
        responsibilities = np.exp(joint - highest)
        evidence = responsibilities.sum(axis=0)
        responsibilities /= evidence
        total += float(np.sum(np.log(evidence) + highest))
        mass += responsibilities.sum(axis=1)
        sums += responsibilities @ block
    return mass, sums, total / len(statistics)
