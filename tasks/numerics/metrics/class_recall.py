"""Mean per-class recall, macro F1 and worst-class recall: every class counts the same, however many samples it has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.intervals import Interval, minimum_interval
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, sums

Integers = NDArray[Any]

_COLUMNS = ("label", "prediction")


def samples_of_classes(columns: SampleColumns, classes: int | None) -> Sums | None:
    """Return the number of samples of each class, (C,) sums; None without labels.

    Args:
        columns: with `label`.
        classes: number C of classes.

    Raises:
        ValueError: a label is no class.
    """
    return None if classes is None else _counted(columns["label"], classes, classes)


def predictions_of_classes(columns: SampleColumns, classes: int | None) -> Sums | None:
    """Return for each class the number of right predictions, and then of wrong ones, (2C,) sums; None without labels.

    Args:
        columns: with `label` and `prediction`.
        classes: number C of classes.

    Raises:
        ValueError: a label or a prediction is no class.
    """
    if classes is None:
        return None
    label, prediction = columns["label"], columns["prediction"]
    return _counted(prediction, classes, 2 * classes, shift=classes * (prediction != label))


def _counted(of_class: Integers, classes: int, count: int, shift: Integers | int = 0) -> Sums:
    """Return the number of samples of each class, shifted to other sums for some of the samples."""
    if of_class.max() >= classes:
        raise ValueError(f"labels and predictions: wanted classes below {classes}, got {of_class.max()}")
    row = of_class + shift
    order = np.argsort(row, kind="stable")
    return sums(row[order], order, np.ones(len(row)), (count, len(row)))


def _mean_where(values: Floats, of: Floats) -> Floats:
    """Return the mean over the classes (C, B) of which samples exist; at least one class has some."""
    found: Floats = values.sum(axis=0, dtype=np.float64) / np.count_nonzero(of, axis=0)
    return found


def _recall(samples: Summed, predicted: Summed) -> Floats:
    right: Floats = predicted.values[: len(samples.values)]
    return right / np.maximum(samples.values, 1)


def _mean_recall(samples: Summed, predicted: Summed) -> Floats:
    return _mean_where(_recall(samples, predicted), samples.values)


def _macro_f1(samples: Summed, predicted: Summed) -> Floats:
    right, wrong = predicted.values[: len(samples.values)], predicted.values[len(samples.values) :]
    both = samples.values + right + wrong
    return _mean_where(2 * right / np.maximum(both, 1), both)


def _worst_recall(samples: Summed, predicted: Summed) -> Floats:
    worst: Floats = np.where(samples.values > 0, _recall(samples, predicted), 1.0).min(axis=0).astype(np.float64)
    return worst


def _worst_interval(columns: SampleColumns, classes: int | None) -> Interval:
    """Return the interval of the lowest recall; classes without samples have none."""
    label, right = columns["label"], columns["label"] == columns["prediction"]
    samples = np.bincount(label, minlength=classes or 0)
    hits = np.bincount(label[right], minlength=len(samples))
    return minimum_interval(hits[samples > 0], samples[samples > 0])


_SUMS = (samples_of_classes, predictions_of_classes)

MEAN_RECALL = Metric(
    name="mean_recall",
    title="mean per-class recall",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _mean_recall),
    interval="bootstrap",
)
MACRO_F1 = Metric(
    name="macro_f1",
    title="macro F1",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _macro_f1),
    interval="bootstrap",
)
WORST_RECALL = Metric(
    name="worst_recall",
    title="worst-class recall",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _worst_recall),
    interval=_worst_interval,
)

METRICS = (MEAN_RECALL, MACRO_F1, WORST_RECALL)
