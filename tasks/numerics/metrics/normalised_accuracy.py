"""Top-1 accuracy relative to the model that was fine-tuned on the data set (Ilharco et al., ICLR 2023)."""

import math

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import TUNED_COLUMN, Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, rows_of


def errors_of_method(columns: SampleColumns, _classes: int | None) -> Sums:
    """Return the number of samples that the method has wrong, as one sum.

    Args:
        columns: with `label_rank`.
    """
    return _errors(columns["label_rank"])


def errors_of_tuned(columns: SampleColumns, _classes: int | None) -> Sums | None:
    """Return the number of samples that the tuned model has wrong, as one sum; None where it has none right.

    Args:
        columns: with `tuned_rank`.
    """
    return _errors(columns[TUNED_COLUMN]) if np.any(columns[TUNED_COLUMN] == 0) else None


def _errors(rank: NDArray[np.int32]) -> Sums:
    wrong = np.flatnonzero(rank > 0)
    return Sums(rows_of(np.zeros(len(wrong)), wrong, np.ones(len(wrong)), (1, len(rank))))


def _ratio(method: Summed, tuned: Summed) -> Floats:
    right, of_tuned = (found.samples - found.values[0] for found in (method, tuned))
    ratio: Floats = np.divide(right, of_tuned, out=np.full(len(right), np.nan), where=of_tuned > 0)
    return ratio


NORMALISED_TOP1 = Metric(
    name="normalised_top1",
    title="accuracy relative to the model tuned on the data set",
    better="higher",
    unit="%",
    columns=("label_rank", TUNED_COLUMN),
    statistic=OfSums((errors_of_method, errors_of_tuned), _ratio),
    interval="bootstrap",
    bounds=(0.0, math.inf),
)

METRICS = (NORMALISED_TOP1,)
