"""Estimates of metrics: values on the samples of a data set, with 95 % intervals."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.intervals import Interval, bootstrap_interval, wilson_interval
from tasks.numerics.evidence.replicates import numbers
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.metric import Estimate, Metric, SampleColumns


class Measured(NamedTuple):
    """A metric of a method on a data set."""

    estimate: Estimate
    """Its value and interval."""
    replicates: Floats | None
    """(B,) its values on the resamples, for intervals of means over data sets; None for metrics without an interval."""


def estimates(
    metrics: Sequence[Metric],
    columns_by_method: Mapping[str, SampleColumns],
    classes: int | None,
    resampling: Resampling,
) -> dict[str, dict[str, Measured]]:
    """Return the metrics of methods on one data set, with intervals.

    Args:
        metrics: the metrics; a method leaves out those for which it has no columns.
        columns_by_method: the columns of the n samples, for each of the methods.
        classes: number of classes; None without labels.
        resampling: the resamples of the n samples, the same for all methods.

    Returns:
        For each method, its defined metrics by name, in the order of the arguments.

    Raises:
        ValueError: columns have another number of samples than the resamples, or hold numbers that are not finite.

    Example:
        >>> from tasks.numerics.metrics.accuracy import TOP1
        >>> ranks = np.array([0, 0, 1, 5], np.int32)
        >>> found = estimates([TOP1], {"a": {"label_rank": ranks}}, 10, Resampling(4))["a"]["top1"].estimate
        >>> print(f"{found.value:.2f}, between {found.ci_low:.2f} and {found.ci_high:.2f}")
        0.50, between 0.15 and 0.85
    """
    measured = numbers(metrics, columns_by_method, classes, resampling)
    found: dict[str, dict[str, Measured]] = {}
    for (method, columns), of_method, drawn in zip(columns_by_method.items(), *measured, strict=True):
        found[method] = {}
        for metric, value, own in zip(metrics, of_method.tolist(), drawn, strict=True):
            if not np.isnan(value):
                low, high = _interval(metric, value, columns, classes, own) or (None, None)
                estimate = Estimate(value, low, high, resampling.samples)
                found[method][metric.name] = Measured(estimate, None if metric.interval is None else own)
    return found


def mean_estimate(metric: Metric, of_datasets: Sequence[Measured]) -> Estimate:
    """Return the mean of a metric over data sets, each with the same weight.

    The interval comes from the means of the data sets' replicates: each data set is resampled by itself, and data sets
    of the same samples, such as shifts of the same images, by the same draws if their resamplings have the same seed.
    Metrics with an interval of their own, such as the worst recall, have the means of the ends instead.

    Args:
        metric: the metric.
        of_datasets: its estimates on one or more data sets.

    Raises:
        ValueError: no data set is given.
    """
    if not of_datasets:
        raise ValueError("mean over data sets: wanted at least one data set, got none")
    value = float(np.mean([own.estimate.value for own in of_datasets]))
    samples = sum(own.estimate.samples for own in of_datasets)
    drawn = [own.replicates for own in of_datasets if own.replicates is not None]
    if callable(metric.interval):
        found = [(own.estimate.ci_low, own.estimate.ci_high) for own in of_datasets]
        ends = [(low, high) for low, high in found if low is not None and high is not None]
        interval = Interval(*map(float, np.mean(ends, axis=0))) if len(ends) == len(found) else None
    else:
        interval = bootstrap_interval(value, np.mean(drawn, axis=0)) if len(drawn) == len(of_datasets) else None
    low, high = _within(metric, interval) or (None, None)
    return Estimate(value, low, high, samples)


def _interval(
    metric: Metric, value: float, columns: SampleColumns, classes: int | None, drawn: Floats
) -> tuple[float, float] | None:
    """Return the interval of a metric's value by the metric's own method, or None."""
    if metric.interval is None:
        return None
    if metric.interval == "wilson":
        samples = len(columns[metric.columns[0]])
        return wilson_interval(round(value * samples), samples)
    if metric.interval == "bootstrap":
        return _within(metric, bootstrap_interval(value, drawn))
    return metric.interval(columns, classes)


def _within(metric: Metric, interval: Interval | None) -> Interval | None:
    """Return an interval inside the metric's bounds, beyond which the correction for bias may move an end."""
    return interval and Interval(max(interval.low, metric.bounds[0]), min(interval.high, metric.bounds[1]))
