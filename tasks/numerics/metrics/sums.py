"""Statistics that are functions of sums over the samples, such as counts of classes or of bins.

Resamples of such a statistic are cheap: a sparse matrix product gives the sums on all resamples at once, and metrics of
the same sums share them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import SampleColumns, Weights


class Summed(NamedTuple):
    """Sums over the samples of B resamples."""

    values: Floats
    """(K, B) the sums; float32 where the weights are."""
    samples: Floats
    """(B,) the sum of all weights: the number of samples of each resample."""


class Sums(NamedTuple):
    """Sums over samples, each as a row of the samples' terms."""

    rows: "csr_array[Any, tuple[int, int]]"
    """(K, n) the term of each of n samples in each of K sums."""
    derive: Callable[[Floats, Floats], Any] = Summed
    """From the sums (K, B) and the number of samples (B,) to what the metrics are functions of."""

    def single(self) -> "Sums":
        """Return the sums with terms of 32 bits, for weights of 32 bits."""
        terms = self.rows.data.astype(np.float32)
        return Sums(csr_array((terms, self.rows.indices, self.rows.indptr), shape=self.rows.shape), self.derive)

    def equals(self, other: "Sums") -> bool:
        """Return whether the sums have the same terms, as counts of labels have for all methods."""
        pairs = ((getattr(self.rows, name), getattr(other.rows, name)) for name in ("indptr", "indices", "data"))
        return self.derive is other.derive and all(map(np.array_equal, *zip(*pairs, strict=True)))


Part = Callable[[SampleColumns, int | None], Sums | None]
"""From columns of n samples and the number of classes to sums over the samples, or None where these do not exist."""


@dataclass(frozen=True)
class OfSums:
    """The statistic of a metric that is a function of sums over the samples.

    Example:
        >>> def entropies(columns, _classes):
        ...     return Sums(rows_of(np.zeros(2), np.arange(2), columns["entropy"], (1, 2)))
        >>> total = OfSums((entropies,), lambda all_: all_.values[0])
        >>> total({"entropy": np.array([1.0, 3.0])}, None, np.array([[1.0, 2.0], [1.0, 0.0]]))
        array([4., 2.])
    """

    parts: tuple[Part, ...]
    """Functions that give sums; metrics that name the same function share its sums, and what is derived from them."""
    finish: Callable[..., Floats]
    """From what is derived from each part to B values; NaN for a resample on which the metric is not defined."""

    def __call__(self, columns: SampleColumns, classes: int | None, weights: Weights) -> Floats | None:
        """Return the statistic of weighted samples: see `metric.Statistic`."""
        found = [part(columns, classes) for part in self.parts]
        if any(part is None for part in found):
            return None
        samples = weights.sum(axis=0, dtype=np.float64)
        return self.finish(*(weighted(part, weights, samples) for part in found if part is not None))


def rows_of(row: NDArray[Any], sample: NDArray[Any], terms: Floats, shape: tuple[int, int]) -> "csr_array[np.float64]":
    """Return the rows of sums.

    Args:
        row: (t,) number of the sum that each term belongs to, ascending.
        sample: (t,) number of each term's sample.
        terms: (t,) the terms.
        shape: number of sums K and of samples n.
    """
    starts = np.searchsorted(row, np.arange(shape[0] + 1)).astype(np.int32)
    return csr_array((terms, sample.astype(np.int32), starts), shape=shape)


def weighted(part: Sums, weights: Weights, samples: Floats) -> Any:  # noqa: ANN401 -- each part derives its own
    """Return what is derived from sums over weighted samples.

    Args:
        part: the sums.
        weights: (n, B) how often each sample counts.
        samples: (B,) the sums of the weights.
    """
    return part.derive(np.asarray(part.rows.astype(weights.dtype, copy=False) @ weights), samples)


def resampled_sums(part: Sums, counts: NDArray[np.uint8], samples: Floats) -> Any:  # noqa: ANN401 -- as above
    """Return what is derived from sums over resamples, as `weighted` does, in 32 bits and a third of the time.

    Sums read the samples in an order of their own, which is slow in a large array. So the counts are brought into that
    order while they are small.

    Args:
        part: the sums.
        counts: (n, B) how often each sample is drawn.
        samples: (B,) number of samples of each resample.
    """
    rows = part.rows
    ordered = counts.take(rows.indices, axis=0).astype(np.float32)
    places = np.arange(len(ordered), dtype=np.int32)
    in_order = csr_array((rows.data, places, rows.indptr), shape=(rows.shape[0], len(ordered)))
    return part.derive(np.asarray(in_order @ ordered), samples)
