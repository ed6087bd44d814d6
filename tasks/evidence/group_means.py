"""Means over groups of data sets, each with an interval of its own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.evidence.dataset_estimates import DatasetEstimates
from tasks.numerics.evidence.estimates import mean_estimate
from tasks.numerics.metrics.metric import Estimate
from tasks.numerics.metrics.registry import METRICS
from tasks.references.results import ALL


class GroupMean(NamedTuple):
    """The mean of a metric over the data sets of a group."""

    group: str
    datasets: tuple[str, ...]
    """Names of the data sets, each of the same weight."""
    method: str
    metric: str
    estimate: Estimate


def group_means(measured: Sequence[DatasetEstimates]) -> Iterator[GroupMean]:
    """Yield the means of every method and metric over every group, and over all data sets if groups differ.

    A mean is over the data sets that have the metric for any method. A method without a value on one of them has no
    mean, and neither has a metric without intervals. The mean of one data set is its own estimate.

    Args:
        measured: the estimates on every data set, with replicates from equally many resamples.
    """
    for group, members in groups_of(measured).items():
        for metric in (metric for metric in METRICS if metric.interval is not None):
            having = [one for one in members if any(metric.name in found for found in one.measured.values())]
            for method in dict.fromkeys(method for one in having for method in one.measured):
                if all(metric.name in one.measured.get(method, {}) for one in having):
                    found = [one.measured[method][metric.name] for one in having]
                    estimate = mean_estimate(metric, found) if len(found) > 1 else found[0].estimate
                    yield GroupMean(group, tuple(one.dataset.name for one in having), method, metric.name, estimate)


def groups_of(measured: Sequence[DatasetEstimates]) -> Mapping[str, Sequence[DatasetEstimates]]:
    """Return the data sets of each group, and of `all` where groups differ."""
    groups: dict[str, list[DatasetEstimates]] = {}
    for one in measured:
        groups.setdefault(one.dataset.group, []).append(one)
    return {**groups, ALL: list(measured)} if len(groups) > 1 else groups
