"""Expected calibration error: how far confidence is from accuracy, in bins of similar confidence.

The error is Σ_b |Σ_{i in b} (confidence_i − right_i)| / n (Naeini et al., AAAI 2015; Guo et al., ICML 2017). Both ways
of binning use 15 bins:

- equal width: bin b holds the confidences from b/15 up to, and without, (b + 1)/15; a confidence of exactly 1 has a
  bin of its own, as in torchmetrics.
- equal mass: bin ⌊15 r/n⌋, where r samples have a lower confidence. Equal confidences share a bin. The bins are made
  of the samples of the data set, and stay where they are in its resamples.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, sums

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
    lower = np.searchsorted(np.sort(confidence), confidence, side="left")
    return BINS * lower // len(confidence)


def gaps(columns: SampleColumns, _classes: int | None) -> Sums:
    """Return the sums of confidence − right over cells of samples that share their bins of both kinds.

    Args:
        columns: with `confidence` and `label_rank`.
    """
    confidence = columns["confidence"]
    width, mass = bins_of_equal_width(confidence), bins_of_equal_mass(confidence)
    bins, cell = np.unique(width * BINS + mass, return_inverse=True)
    order = np.argsort(cell, kind="stable")
    gap = confidence - (columns["label_rank"] == 0)
    return sums(cell[order], order, gap[order], (len(bins), len(gap)), (bins // BINS, bins % BINS))


def _error(gaps: Summed, *, kind: int) -> Floats:
    """Return the error over the bins of one kind, from the cells' sums (K, B)."""
    bins = gaps.layout[kind]
    order = np.argsort(bins, kind="stable")
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    of_bins = np.add.reduceat(gaps.values[order], starts, axis=0)
    error: Floats = np.abs(of_bins).sum(axis=0, dtype=np.float64) / gaps.samples
    return error


def _metric(name: str, title: str, kind: int) -> Metric:
    return Metric(
        name=name,
        title=title,
        better="lower",
        unit="%",
        columns=("confidence", "label_rank"),
        statistic=OfSums((gaps,), partial(_error, kind=kind)),
        interval="bootstrap",
    )


ECE = _metric("ece", "expected calibration error, 15 bins of equal width", 0)
ECE_MASS = _metric("ece_mass", "expected calibration error, 15 bins of equal mass", 1)

METRICS = (ECE, ECE_MASS)
