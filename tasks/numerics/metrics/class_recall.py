"""Mean per-class recall, macro F1 and worst-class recall: every class counts the same, however many samples it has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.intervals import Interval, minimum_interval
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, rows_of

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
    if classes is None:
        return None
    return _counted(columns["label"], np.arange(len(columns["label"])), classes, columns, classes)


def errors_of_classes(columns: SampleColumns, classes: int | None) -> Sums | None:
    """Return for each class the number of its samples that are wrong, and then of wrong predictions of it, (2C,) sums.

    Counts of errors are fewer than counts of right samples, and give the same metrics.

    Args:
        columns: with `label` and `prediction`.
        classes: number C of classes; None without labels, which gives None.

    Raises:
        ValueError: a label or a prediction is no class.
    """
    if classes is None:
        return None
    wrong = np.flatnonzero(columns["label"] != columns["prediction"])
    missed, mistaken = columns["label"][wrong], columns["prediction"][wrong]
    return _counted(np.append(missed, mistaken + classes), np.append(wrong, wrong), 2 * classes, columns, classes)


def _counted(row: Integers, sample: Integers, count: int, columns: SampleColumns, classes: int) -> Sums:
    """Return the number of samples of each row, once labels and predictions are known to be classes."""
    for name in {"label", "prediction"} & columns.keys():
        if columns[name].max() >= classes:
            raise ValueError(f"{name}: wanted classes below {classes}, got {columns[name].max()}")
    order = np.argsort(row, kind="stable")
    return Sums(rows_of(row[order], sample[order], np.ones(len(row)), (count, len(columns["label"]))))


def _mean_where(values: Floats, of: Floats) -> Floats:
    """Return the mean over the classes (C, B) of which samples exist; at least one class has some."""
    found: Floats = values.sum(axis=0, dtype=np.float64) / np.count_nonzero(of, axis=0)
    return found


def _recall(samples: Summed, errors: Summed) -> Floats:
    """Return the recall of each class, (C, B); 1 for a class without samples."""
    found: Floats = 1.0 - errors.values[: len(samples.values)] / np.maximum(samples.values, 1)
    return found


def _mean_recall(samples: Summed, errors: Summed) -> Floats:
    return _mean_where(np.where(samples.values > 0, _recall(samples, errors), 0.0), samples.values)


def _macro_f1(samples: Summed, errors: Summed) -> Floats:
    missed, mistaken = errors.values[: len(samples.values)], errors.values[len(samples.values) :]
    both = 2 * samples.values - missed + mistaken  # samples and predictions of a class
    occurs = samples.values + mistaken
    return _mean_where(2 * (samples.values - missed) / np.maximum(both, 1), occurs)


def _worst_recall(samples: Summed, errors: Summed) -> Floats:
    worst: Floats = _recall(samples, errors).min(axis=0).astype(np.float64)
    return worst


def _worst_interval(columns: SampleColumns, classes: int | None) -> Interval:
    """Return the interval of the lowest recall; classes without samples have none."""
    label, right = columns["label"], columns["label"] == columns["prediction"]
    samples = np.bincount(label, minlength=classes or 0)
    hits = np.bincount(label[right], minlength=len(samples))
    return minimum_interval(hits[samples > 0], samples[samples > 0])


_SUMS = (samples_of_classes, errors_of_classes)

MEAN_RECALL = Metric(
    name="mean_recall",
    title="mean per-class recall",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _mean_recall),
    interval="bootstrap",
    bounds=(0.0, 1.0),
)
MACRO_F1 = Metric(
    name="macro_f1",
    title="macro F1",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _macro_f1),
    interval="bootstrap",
    bounds=(0.0, 1.0),
)
WORST_RECALL = Metric(
    name="worst_recall",
    title="worst-class recall",
    better="higher",
    unit="%",
    columns=_COLUMNS,
    statistic=OfSums(_SUMS, _worst_recall),
    interval=_worst_interval,
    is_tested=False,
)

METRICS = (MEAN_RECALL, MACRO_F1, WORST_RECALL)
