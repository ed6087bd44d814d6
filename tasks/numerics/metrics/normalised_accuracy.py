"""Top-1 accuracy relative to the model that was fine-tuned on the data set (Ilharco et al., ICLR 2023)."""

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import TUNED_COLUMN, Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, sums


def right_of_both(columns: SampleColumns, _classes: int | None) -> Sums | None:
    """Return the number of samples that the method has right, and that the tuned model has right; None if it has none.

    Args:
        columns: with `label_rank` and `tuned_rank`.
    """
    right, tuned = (np.flatnonzero(columns[name] == 0) for name in ("label_rank", TUNED_COLUMN))
    if not len(tuned):
        return None
    row = np.repeat([0, 1], [len(right), len(tuned)])
    return sums(row, np.append(right, tuned), np.ones(len(row)), (2, len(columns["label_rank"])))


def _ratio(found: Summed) -> Floats:
    right, tuned = found.values.astype(np.float64)
    ratio: Floats = np.divide(right, tuned, out=np.full(len(tuned), np.nan), where=tuned > 0)
    return ratio


NORMALISED_TOP1 = Metric(
    name="normalised_top1",
    title="accuracy relative to the model tuned on the data set",
    better="higher",
    unit="%",
    columns=("label_rank", TUNED_COLUMN),
    statistic=OfSums((right_of_both,), _ratio),
    interval="bootstrap",
)

METRICS = (NORMALISED_TOP1,)
