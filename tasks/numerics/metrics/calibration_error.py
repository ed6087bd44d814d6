"""Expected calibration error: how far confidence is from accuracy, in bins of similar confidence.

The error is Σ_b |Σ_{i in b} (confidence_i − right_i)| / n (Naeini et al., AAAI 2015; Guo et al., ICML 2017). Both ways
of binning use 15 bins:

- equal width: bin b holds the confidences from b/15 up to, and without, (b + 1)/15; a confidence of exactly 1 has a
  bin of its own, as in torchmetrics.
- equal mass: bin ⌊15 r/n⌋, where r samples have a lower confidence. Equal confidences share a bin. The bins are made
  of the samples of the data set, and stay where they are in its resamples.
"""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.intervals import Interval, distance_interval
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Sums, rows_of

BINS = 15


def bins_of_equal_width(confidence: Floats) -> NDArray[np.int64]:
    """Return the number of each confidence's bin, 0 to 15.

    Args:
        confidence: (n,) highest probabilities, 0 to 1.

    Example:
        >>> bins_of_equal_width(np.array([0.0, 0.1, 0.99, 1.0]))
        array([ 0,  1, 14, 15])
    """
    edges = np.arange(BINS + 1) / BINS
    return np.searchsorted(edges, confidence, side="right") - 1


def bins_of_equal_mass(confidence: Floats) -> NDArray[np.int64]:
    """Return the number of each confidence's bin, 0 to 14; equal confidences share the bin of the first of them.

    Args:
        confidence: (n,) highest probabilities, 0 to 1.

    Example:
        >>> bins_of_equal_mass(np.array([0.5, 0.9, 0.9]))
        array([0, 5, 5])
    """
    order = np.argsort(confidence)
    bins = np.empty(len(order), np.int64)
    bins[order] = _mass_bins_of_sorted(confidence[order])
    return bins


def _mass_bins_of_sorted(confidence: Floats) -> NDArray[np.int64]:
    """Return the bins of equal mass of ascending confidences."""
    place = np.arange(len(confidence))
    lower = np.maximum.accumulate(np.where(np.diff(confidence, prepend=-1.0) > 0, place, 0))
    return BINS * lower // len(confidence)


class Errors(NamedTuple):
    """The calibration errors on B resamples, each (B,)."""

    width: Floats
    """Over bins of equal width."""
    mass: Floats
    """Over bins of equal mass."""


def gaps(columns: SampleColumns, _classes: int | None) -> Sums:
    """Return the sums of confidence − right over the samples that share their bins of both kinds; both errors derive.

    Args:
        columns: with `confidence` and `label_rank`.
    """
    order = np.argsort(columns["confidence"])
    confidence = columns["confidence"][order]
    width, mass = bins_of_equal_width(confidence), _mass_bins_of_sorted(confidence)
    shared = width * BINS + mass  # ascends
    starts = np.flatnonzero(np.diff(shared, prepend=-1))
    cell = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    gap = confidence - (columns["label_rank"][order] == 0)
    errors = partial(_errors, width[starts], mass[starts])
    return Sums(rows_of(cell, order, gap, (len(starts), len(gap))), errors)


def _errors(width: NDArray[np.int64], mass: NDArray[np.int64], values: Floats, samples: Floats) -> Errors:
    """Return the errors from the sums of cells (K, B), the cells' bins of both kinds, and the numbers of samples."""
    return Errors(*(np.abs(_joined(values, bins)).sum(axis=0, dtype=np.float64) / samples for bins in (width, mass)))


def _joined(values: Floats, bins: NDArray[np.int64]) -> Floats:
    """Return the sums of bins from those of cells; both kinds of bins ascend with the cells, as confidence does."""
    joined: Floats = np.add.reduceat(values, np.flatnonzero(np.diff(bins, prepend=-1)), axis=0)
    return joined


def _interval(
    columns: SampleColumns, _classes: int | None, *, bins: Callable[[Floats], NDArray[np.int64]]
) -> Interval | None:
    return distance_interval(columns["confidence"] - (columns["label_rank"] == 0), bins(columns["confidence"]))


def _metric(name: str, title: str, kind: str, bins: Callable[[Floats], NDArray[np.int64]]) -> Metric:
    return Metric(
        name=name,
        title=title,
        better="lower",
        unit="%",
        columns=("confidence", "label_rank"),
        statistic=OfSums((gaps,), attrgetter(kind)),
        interval=partial(_interval, bins=bins),
    )


ECE = _metric("ece", "expected calibration error, 15 bins of equal width", "width", bins_of_equal_width)
ECE_MASS = _metric("ece_mass", "expected calibration error, 15 bins of equal mass", "mass", bins_of_equal_mass)

METRICS = (ECE, ECE_MASS)
