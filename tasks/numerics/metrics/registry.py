"""The metrics that results report. A new metric is one file beside this one, and one line here."""

from collections.abc import Collection

from tasks.numerics.metrics.accuracy import TOP1, TOP5
from tasks.numerics.metrics.coefficient_error import COEFFICIENT_ERROR_MAX, COEFFICIENT_ERROR_MEAN
from tasks.numerics.metrics.metric import Metric

METRICS: tuple[Metric, ...] = (
    TOP1,
    TOP5,
    COEFFICIENT_ERROR_MEAN,
    COEFFICIENT_ERROR_MAX,
)
"""All metrics, in the order in which results list them."""


def metrics_of(columns: Collection[str]) -> list[Metric]:
    """Return the metrics that some columns suffice for, in the order of the registry.

    Args:
        columns: names of the columns that exist for a method on a data set.
    """
    return [metric for metric in METRICS if set(metric.columns) <= set(columns)]
