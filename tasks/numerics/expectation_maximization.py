"""Expectation-maximisation for mixtures of exponential families, with one loop for every family.

A family's log density is linear in a few statistics t(x) of a sample, log p_k(x) = η_k · t(x) − A(η_k), and its
maximisation step needs only the responsibility-weighted means of t. An iteration is therefore two matrix products for
each piece of samples (`tasks.numerics.pieces`), added up in the order of the pieces. Source: Dempster, Laird and Rubin,
Journal of the Royal Statistical Society B 1977.

The starts compete on an even subset of at most `start_samples` samples, whose statistics stay in memory. The best start
goes on with all samples if that subset leaves any out; each of its iterations reads them once and computes their
statistics again, so that memory does not grow with their number.
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.expectation import Assessment, Fit, evidence_of, expect, joint_densities, responsibilities_of
from tasks.numerics.pieces import PIECE, Mapped, Pieces

_KMEANS = 1 << 13  # samples of the k-means partition that starts a fit
_SUMMED = 8  # pieces whose log densities are added at a time, 131,072 samples
_DIGITS = 9  # digits of means and weights by which components are ordered


class ConvergenceWarning(UserWarning):
    """A fit ended at its last iteration, before the likelihood converged."""


class MixtureModel(ABC):
    """Base class of the mixtures: it owns the starts, the stopping and the order of components.

    A family supplies the abstract methods. Components are ordered by their means (first coordinate first), and
    components of equal means by their weights.

    Args:
        n_components: K.
        n_init: number of k-means starts, of which the fit keeps the best.
        max_iter: most iterations of one start.
        tol: change of the mean log-likelihood, nats, below which a fit has converged.
        m_step: how components are fitted, by moments or by maximum likelihood.
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
        self,
        n_components: int,
        *,
        n_init: int,
        max_iter: int,
        tol: float,
        m_step: Literal["moments", "mle"],
        random_state: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.m_step = m_step
        self.random_state = random_state

    means_: Floats

    dimensions: ClassVar[int]
    """Axes of the samples: 1 for (n,), 2 for (n, M)."""

    @staticmethod
    @abstractmethod
    def _refuse(piece: Floats, first: int) -> None:
        """Raise `ValueError` for a sample outside of the support; the piece's first sample has the number `first`."""

    @staticmethod
    @abstractmethod
    def _inside(piece: Floats) -> Floats:
        """Return the samples of a piece as (n, d), moved inside the open support."""

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
        return self.fit_pieces([x])

    def fit_pieces(self, pieces: Iterable[ArrayLike] | Pieces) -> Self:
        """Return the mixture itself, fitted to samples that come in arrays of any lengths, in bounded memory.

        The result equals that of `fit` on all samples together, bit for bit, wherever they are cut.

        Args:
            pieces: arrays (n_i,) or (n_i, M); it is iterated several times and yields the same arrays each time, so
                that a generator is refused.

        Raises:
            ValueError: as `fit`, with the number of the wrong sample.

        Example:
            >>> from tasks.numerics.beta_mixture import BetaMixture
            >>> mixture = BetaMixture(2, random_state=0).fit_pieces([[0.10, 0.12], [0.14, 0.86, 0.88, 0.90]])
            >>> mixture.means_.round(2)
            array([0.12, 0.88])
        """
        self._check_settings()
        samples = self._pieces(pieces)
        count = samples.count(self._refuse)
        if count < self.n_components:
            raise ValueError(f"samples: wanted at least n_components={self.n_components}, got {count}")
        best = self._best_fit(samples, count)
        if not best.converged:
            warnings.warn(
                f"{type(self).__name__} did not converge to {self.tol} in {self.max_iter} iterations; "
                "raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self._learn(best)
        return self

    def restore(self, weights: Floats, parameters: Floats) -> Self:
        """Return the mixture itself with the components of an earlier fit, for predictions.

        Args:
            weights: (K,) `weights_` of that fit.
            parameters: (K, p) its parameters: [α, β] of a Beta mixture, α of a Dirichlet mixture.
        """
        self.weights_, self._parameters = weights, parameters
        self._store(parameters)
        return self

    def predict_proba(self, x: ArrayLike) -> Floats:
        """Return the responsibilities of the components for each sample, (n, K), each row summing to one."""
        return np.vstack([responsibilities_of(joint) for joint in self._joints([x])])

    def predict(self, x: ArrayLike) -> NDArray[np.intp]:
        """Return the component of largest responsibility for each sample, (n,)."""
        return np.concatenate([joint.argmax(axis=1) for joint in self._joints([x])])

    def score_samples(self, x: ArrayLike) -> Floats:
        """Return the log density of each sample, (n,), nats."""
        return np.concatenate([evidence_of(joint) for joint in self._joints([x])])

    def bic(self, x: ArrayLike) -> float:
        """Return the Bayesian information criterion −2 ln L + d ln n of d free parameters; lower is better.

        Source: Schwarz, Annals of Statistics 1978.
        """
        return self.assess([x]).bic

    def assess(self, pieces: Iterable[ArrayLike] | Pieces) -> Assessment:
        """Return the BIC of samples in pieces, and the number of samples of each component, in one pass.

        Args:
            pieces: as in `fit_pieces`.

        Raises:
            ValueError: as `fit_pieces`; or the mixture is not fitted.
        """
        scores, totals, samples, count = list[Floats](), list[float](), np.zeros(self.n_components, np.int64), 0
        for joint in self._joints(pieces):
            scores.append(evidence_of(joint))
            samples += np.bincount(responsibilities_of(joint).argmax(axis=1), minlength=self.n_components)
            count += len(joint)
            if len(scores) == _SUMMED:
                totals.append(float(np.concatenate(scores).sum()))
                scores = []
        total = math.fsum([*totals, *([float(np.concatenate(scores).sum())] if scores else [])])
        free = self._degrees(self._parameters) + self.n_components - 1
        return Assessment(float(-2.0 * total + free * np.log(count)), samples)

    def _check_settings(self) -> None:
        for name in ("n_components", "n_init", "max_iter"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: wanted at least 1, got {getattr(self, name)}")
        if not self.tol > 0:
            raise ValueError(f"tol: wanted a number above 0, got {self.tol}")
        if self.m_step not in ("moments", "mle"):
            raise ValueError(f"m_step: wanted 'moments' or 'mle', got {self.m_step!r}")

    def _pieces(self, pieces: Iterable[ArrayLike] | Pieces) -> Pieces:
        return pieces if isinstance(pieces, Pieces) else Pieces(pieces, "samples", self.dimensions)

    def _statistics_of(self, piece: Floats) -> Floats:
        return self._statistics(self._inside(piece))

    def _joints(self, pieces: Iterable[ArrayLike] | Pieces) -> Iterator[Floats]:
        """Yield log w_k + log p_k(x) of each piece, (n, K)."""
        if not hasattr(self, "weights_"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit first")
        samples = self._pieces(pieces)
        samples.count(self._refuse)
        natural, normalizer = self._natural(self._parameters)
        for piece in samples:
            yield joint_densities(self._statistics_of(piece), self.weights_, natural, normalizer).T

    def _best_fit(self, samples: Pieces, count: int) -> Fit:
        """Return the fit of the best start, on all samples."""
        stride = -(-count // self.start_samples)
        few = self._inside(samples.every(stride))
        statistics = self._statistics(few)
        blocks = [statistics[start : start + PIECE] for start in range(0, len(statistics), PIECE)]
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.n_init)
        starts = [self._run(blocks, len(few), self._start(few, statistics, int(seed))) for seed in seeds]
        best = max(starts, key=lambda fit: fit.lower_bound)
        if stride == 1:
            return best
        return self._run(Mapped(self._statistics_of, samples), count, (best.weights, best.parameters))

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

    def _run(self, statistics: Iterable[Floats], count: int, start: tuple[Floats, Floats]) -> Fit:
        """Iterate from a start until the mean log-likelihood of all n samples changes by less than `tol`."""
        weights, parameters = start
        bound = -np.inf
        for iteration in range(1, self.max_iter + 1):
            mass, sums, total = expect(statistics, weights, *self._natural(parameters))
            new_bound = total / count
            if abs(new_bound - bound) < self.tol:
                return Fit(weights, parameters, new_bound, iteration, True)
            bound = new_bound
            alive = mass > np.finfo(np.float64).eps * count  # an empty component keeps its parameters
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
