"""Whether confidence tells right predictions from wrong ones: the risk-coverage curve and the AUROC of confidence.

Both order the samples by confidence, the highest first, and cut them into groups, so that sums over the groups decide
the metric. A group of errors is a run of wrong samples without a right one between them, or all samples of one
confidence if right and wrong ones tie; the right samples between two groups of errors are a group, too.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, sums


class Ranking(NamedTuple):
    """Which of the sums over groups are which: first, in turn, right samples and the group of errors below them."""

    groups: int
    """Number S of groups of errors: sums 0 to 2S are right, errors, right, …, errors, right."""
    mixed: NDArray[np.int64]
    """Groups of errors that hold right samples as well; the sums after 2S are their wrong samples."""


def ranked(columns: SampleColumns, _classes: int | None) -> Sums:
    """Return the number of samples of each group, by descending confidence.

    Args:
        columns: with `confidence` and `label_rank`.
    """
    order = np.argsort(-columns["confidence"], kind="stable")
    confidence, wrong = columns["confidence"][order], columns["label_rank"][order] > 0
    starts = np.flatnonzero(np.diff(confidence, prepend=np.inf))  # of samples that tie
    tie = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    wrong_of_tie = np.add.reduceat(wrong, starts, dtype=np.int64)
    all_wrong = wrong_of_tie == np.diff(starts, append=len(order))
    mixed = (wrong_of_tie > 0) & ~all_wrong
    begins = (wrong_of_tie > 0) & ~(all_wrong & np.append(False, all_wrong[:-1]))
    group = np.cumsum(begins)  # the number of groups of errors up to and with a tie
    row = (2 * group - (wrong_of_tie > 0))[tie]
    groups, of_mixed = int(group[-1]), np.cumsum(mixed) - 1
    also = np.flatnonzero(mixed[tie] & wrong)
    count = 2 * groups + 1
    rows = np.append(row, count + of_mixed[tie[also]])
    shape = (count + int(mixed.sum()), len(order))
    return sums(rows, np.append(order, order[also]), np.ones(len(rows)), shape, Ranking(groups, group[mixed] - 1))


class _Errors(NamedTuple):
    """Groups of errors on B resamples, each (S, B)."""

    before: Floats
    """Number of samples of higher confidence than the group."""
    samples: Floats
    """Number of samples of the group."""
    share: Floats
    """Share of wrong ones among them."""


def _errors(found: Summed) -> _Errors:
    groups, mixed = found.layout
    counts = found.values[: 2 * groups + 1]
    ends = np.cumsum(counts, axis=0)
    samples, share = counts[1::2], np.ones_like(counts[1::2])
    share[mixed] = found.values[2 * groups + 1 :] / np.maximum(samples[mixed], 1)
    return _Errors(ends[0:-1:2], samples, share)


def _aurc(found: Summed) -> Floats:
    """Return the mean over k of the error among the k most confident samples, from the sums over groups.

    An error of rank r counts in the means over k ≥ r samples, so in all Σ_{k≥r} 1/k = H_n − H_{r−1}, with the harmonic
    numbers H. Those of ranks N + 1 to N + m sum to m H_n − (P(N + m) − P(N)), with P(x) = Σ_{q<x} H_q = x H_x − x. In a
    group with ties each rank is an error with the group's share of wrong samples.
    """
    before, samples, share = _errors(found)
    largest = int(found.samples.max())
    number = np.arange(largest + 1, dtype=np.float64)
    harmonic = np.cumsum(np.append(0.0, 1.0 / number[1:]))
    below = number * harmonic - number
    wrong = (share * samples).sum(axis=0, dtype=np.float64)
    first, end = before.astype(np.int64), (before + samples).astype(np.int64)
    inside = (share * (below[end] - below[first])).sum(axis=0)
    area: Floats = (wrong * harmonic[found.samples.astype(np.int64)] - inside) / found.samples
    return area


def _auroc(found: Summed) -> Floats:
    """Return the share of pairs (right, wrong) in which the right one is more confident; NaN where no pair exists."""
    before, samples, share = _errors(found)
    wrong = (share * samples).astype(np.float64)
    right = samples - wrong
    right_before = before - (np.cumsum(wrong, axis=0) - wrong)
    wins = (wrong * (right_before + right / 2)).sum(axis=0)
    errors = wrong.sum(axis=0)
    pairs = errors * (found.samples - errors)
    area: Floats = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return area


AURC = Metric(
    name="aurc",
    title="area under the risk-coverage curve",
    better="lower",
    unit="%",
    columns=("confidence", "label_rank"),
    statistic=OfSums((ranked,), _aurc),
    interval="bootstrap",
)
AUROC = Metric(
    name="auroc",
    title="AUROC of confidence against being right",
    better="higher",
    unit="%",
    columns=("confidence", "label_rank"),
    statistic=OfSums((ranked,), _auroc),
    interval="bootstrap",
)

METRICS = (AURC, AUROC)
