"""Whether confidence tells right predictions from wrong ones: the risk-coverage curve and the AUROC of confidence.

Both order the samples by confidence, the highest first, and cut them into groups, so that sums over the groups decide
the metric. A group of errors is a run of wrong samples without a right one between them, or all samples of one
confidence if right and wrong ones tie; the right samples between two groups of errors are a group, too.
"""

from functools import lru_cache, partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Sums, rows_of

_CACHED = 1 << 16  # sums that are worked on at once, so that they stay in the processor's cache
_STEP = 16  # rows that one matrix product adds up


class Areas(NamedTuple):
    """The areas on B resamples, each (B,)."""

    risk: Floats
    """Under the risk-coverage curve."""
    order: Floats
    """Share of pairs (right, wrong) in which the right one is surer; NaN where no pair exists."""


def ranked(columns: SampleColumns, _classes: int | None) -> Sums:
    """Return the number of samples of each group, by descending confidence; both areas derive.

    The sums are, in turn, those of the right samples and of the group of errors below them; then, for each group of
    errors that holds right samples as well, its wrong samples.

    Args:
        columns: with `confidence` and `label_rank`.
    """
    order = np.argsort(-columns["confidence"], kind="stable")
    confidence, wrong = columns["confidence"][order], columns["label_rank"][order] > 0
    starts = np.flatnonzero(np.diff(confidence, prepend=np.inf))  # of samples that tie
    sizes = np.diff(starts, append=len(order))
    wrong_of_tie = np.add.reduceat(wrong, starts, dtype=np.int64)
    erring, all_wrong = wrong_of_tie > 0, wrong_of_tie == sizes
    mixed = erring & ~all_wrong
    group = np.cumsum(erring & ~(all_wrong & np.append(False, all_wrong[:-1])))  # groups of errors so far
    row, of_mixed = (np.repeat(values, sizes) for values in (2 * group - erring, np.where(mixed, np.cumsum(mixed), 0)))
    count = -(-2 * int(group[-1]) // _STEP) * _STEP
    also = np.flatnonzero((of_mixed > 0) & wrong)
    kept = np.searchsorted(row, 2 * int(group[-1]))  # right samples below all errors are in no sum
    rows = np.append(row[:kept], count - 1 + of_mixed[also])
    samples = np.append(order[:kept], order[also])
    shape = (count + int(mixed.sum()), len(order))
    return Sums(rows_of(rows, samples, np.ones(len(rows)), shape), partial(_areas, count, group[mixed] - 1))


def _areas(count: int, mixed: NDArray[np.int64], values: Floats, samples: Floats) -> Areas:
    """Return the areas from the sums over groups.

    Risk: an error of rank r counts in the errors among the k ≥ r most confident samples, so in all Σ_{k≥r} 1/k =
    H_n − H_{r−1} times, with the harmonic numbers H. Errors of the ranks N + 1 to N + m add m H_n − (P(N + m) − P(N)),
    with P(x) = Σ_{q<x} H_q = x H_x − x. In a group with ties each rank is an error with the group's share of errors.

    Order: e errors below N samples, F of which are errors too, lose e (N − F) pairs, and half of those in their group.

    Args:
        count: number of sums of right samples and of errors, in turn.
        mixed: numbers of the groups of errors that hold right samples.
        values: (K, B) the sums.
        samples: (B,) number of samples.
    """
    harmonic, below = _harmonic_numbers(int(samples.max()))
    errors, inside, pairs, squares = (np.zeros(values.shape[1]) for _ in range(4))
    total = np.zeros(values.shape[1], values.dtype)
    step = max(1, _CACHED // values.shape[1] // _STEP) * _STEP
    for start in range(0, count, step):
        rows = values[start : min(start + step, count)]
        ends = running_total(rows)
        ends += total
        total, wrong = ends[-1], rows[1::2]
        at = below.take(ends.astype(np.int32), mode="clip")
        ranks = at[1::2].sum(axis=0) - at[::2].sum(axis=0)
        here = np.flatnonzero((mixed >= start // 2) & (mixed < start // 2 + len(wrong)))
        if len(here):
            local, wrong, of_mixed = mixed[here] - start // 2, wrong.copy(), values[count + here]
            right = wrong[local] - of_mixed
            ranks -= (right / np.maximum(wrong[local], 1) * (at[1::2] - at[::2])[local]).sum(axis=0)
            pairs += (right * of_mixed).sum(axis=0) / 2
            wrong[local] = of_mixed
        inside += ranks
        errors += wrong.sum(axis=0)
        pairs += np.einsum("gb,gb->b", wrong, ends[::2])
        squares += np.einsum("gb,gb->b", wrong, wrong)
    risk = (errors * harmonic[samples.astype(np.int64)] - inside) / samples
    pairs -= (errors**2 - squares) / 2  # pairs of errors
    all_pairs = errors * (samples - errors)
    return Areas(risk, np.divide(pairs, all_pairs, out=np.full(len(pairs), np.nan), where=all_pairs > 0))


def running_total(values: Floats) -> Floats:
    """Return the sums of the rows up to each row; `np.cumsum` along this axis takes four times as long.

    Args:
        values: (rows, B), rows in multiples of 16.

    Example:
        >>> running_total(np.ones((32, 1)))[[0, 15, 31], 0]
        array([ 1., 16., 32.])
    """
    steps = values.reshape(-1, _STEP, values.shape[1])
    totals: Floats = np.tri(_STEP, dtype=values.dtype) @ steps
    totals[1:] += np.cumsum(totals[:-1, -1], axis=0)[:, None]
    return totals.reshape(values.shape)


@lru_cache(maxsize=8)
def _harmonic_numbers(largest: int) -> tuple[Floats, Floats]:
    """Return H_x and P(x) = Σ_{q<x} H_q for x from 0 to the largest, each (largest + 1,)."""
    number = np.arange(largest + 1, dtype=np.float64)
    harmonic: Floats = np.cumsum(np.append(0.0, 1.0 / number[1:]))
    return harmonic, number * harmonic - number


def rarer_samples(columns: SampleColumns) -> int:
    """Return the number of right or of wrong samples, the smaller one: with one error, that error alone decides.

    Args:
        columns: with `label_rank`.

    Example:
        >>> rarer_samples({"label_rank": np.array([0, 0, 3, 0])})
        1
    """
    wrong = int(np.count_nonzero(columns["label_rank"]))
    return min(wrong, len(columns["label_rank"]) - wrong)


AURC = Metric(
    name="aurc",
    title="area under the risk-coverage curve",
    better="lower",
    unit="%",
    columns=("confidence", "label_rank"),
    statistic=OfSums((ranked,), attrgetter("risk")),
    interval="bootstrap",
    bounds=(0.0, 1.0),
)
AUROC = Metric(
    name="auroc",
    title="AUROC of confidence against being right",
    better="higher",
    unit="%",
    columns=("confidence", "label_rank"),
    statistic=OfSums((ranked,), attrgetter("order")),
    interval="bootstrap",
    bounds=(0.0, 1.0),
    deciding=rarer_samples,
)

METRICS = (AURC, AUROC)
