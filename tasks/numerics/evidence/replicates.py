"""Metrics of many methods on the samples of one data set and on its resamples."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.prepared import joined, parts_of, resampled
from tasks.numerics.evidence.resampling import CHUNK, Resampling
from tasks.numerics.metrics.metric import Metric, SampleColumns

_BLOCK = 1 << 22  # counts that one thread holds, of 4 bytes; what is made of them takes up to three times as much
_THREADS = 2


class Numbers(NamedTuple):
    """Metrics of methods on the samples of a data set, and on its resamples."""

    values: Floats
    """(methods, metrics); NaN for a metric that is not defined, or needs a column that the method does not have."""
    drawn: Floats
    """(methods, metrics, B) on the resamples; NaN also for a resample on which the metric is not defined."""


def numbers(
    metrics: Sequence[Metric],
    columns_by_method: Mapping[str, SampleColumns],
    classes: int | None,
    resampling: Resampling,
) -> Numbers:
    """Return metrics on the samples of a data set and on its resamples, the same resamples for all methods.

    One matrix product gives all means of samples' terms, sparse products give all sums of samples, and metrics of the
    same sums share them. Two threads work on blocks of resamples, so that memory does not grow with their number.

    Args:
        metrics: the metrics.
        columns_by_method: the columns of the n samples, for each of the methods.
        classes: number of classes; None without labels.
        resampling: the resamples; its number of samples is n.

    Returns:
        The metrics, in the order of the arguments.

    Raises:
        ValueError: columns have another number of samples than the resamples, or hold numbers that are not finite.

    Example:
        >>> from tasks.numerics.metrics.certainty import ENTROPY
        >>> columns = {"a": {"entropy": np.array([1.0, 2.0])}, "b": {"entropy": np.array([2.0, 4.0])}}
        >>> found = numbers([ENTROPY], columns, None, Resampling(2, 100))
        >>> found.values[:, 0], found.drawn.shape, bool((2 * found.drawn[0] == found.drawn[1]).all())
        (array([1.5, 3. ]), (2, 1, 100), True)
    """
    width = CHUNK * max(1, _BLOCK // (CHUNK * resampling.samples))
    drawn = np.empty((len(columns_by_method), len(metrics), resampling.count))
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        methods = pool.map(
            lambda own: parts_of(metrics, own[0], own[1], classes, resampling.samples), columns_by_method.items()
        )
        prepared = joined(metrics, classes, list(methods))

        def fill(start: int) -> None:
            stop = min(start + width, resampling.count)
            drawn[:, :, start:stop] = resampled(prepared, resampling.counts(start, stop))

        list(pool.map(fill, range(0, resampling.count, width)))
    return Numbers(prepared.values, drawn)


def replicates(
    metrics: Sequence[Metric],
    columns_by_method: Mapping[str, SampleColumns],
    classes: int | None,
    resampling: Resampling,
) -> Floats:
    """Return metrics on resamples alone, (methods, metrics, B): see `numbers`, which has the same arguments."""
    return numbers(metrics, columns_by_method, classes, resampling).drawn
