"""The metrics that results report. A new metric is one file beside this one, and its name in one line here."""

from collections.abc import Collection
from importlib import import_module

from tasks.numerics.metrics.metric import Metric

_FILES = (
    "accuracy",
    "class_recall",
    "scoring_rules",
    "calibration_error",
    "selective_prediction",
    "certainty",
    "normalised_accuracy",
    "coefficient_error",
)

METRICS: tuple[Metric, ...] = tuple(
    metric for file in _FILES for metric in import_module(f"tasks.numerics.metrics.{file}").METRICS
)
"""All metrics, in the order in which results list them."""


def metric_of(name: str) -> Metric:
    """Return a metric by its name.

    Raises:
        KeyError: no such metric exists; the message lists those that do.
    """
    known = {metric.name: metric for metric in METRICS}
    if name not in known:
        raise KeyError(f"no metric {name!r}; known: {', '.join(known)}")
    return known[name]


def metrics_of(columns: Collection[str]) -> list[Metric]:
    """Return the metrics that some columns suffice for, in the order of the registry.

    Args:
        columns: names of the columns that exist for a method on a data set.
    """
    return [metric for metric in METRICS if set(metric.columns) <= set(columns)]
