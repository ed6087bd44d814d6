"""Metrics of many methods on the resamples of one data set."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.evidence.resampling import Counts, Resampling
from tasks.numerics.metrics.metric import Metric, SampleColumns, check_columns
from tasks.numerics.metrics.sums import OfSums, Summed, Sums, Terms, weighted

_BLOCK_BYTES = 1 << 25  # of the counts that one thread holds; what is made of them takes up to three times as much
_THREADS = 2


def replicates(
    metrics: Sequence[Metric],
    columns_by_method: Mapping[str, SampleColumns],
    classes: int | None,
    resampling: Resampling,
) -> Floats:
    """Return metrics on resamples of a data set, the same resamples for all methods.

    One matrix product gives all means of samples' terms, sparse products give all sums of samples, and metrics of the
    same sums share them. Two threads work on blocks of resamples, so that memory does not grow with their number.

    Args:
        metrics: the metrics.
        columns_by_method: the columns of the n samples, for each of the methods.
        classes: number of classes; None without labels.
        resampling: the resamples; its number of samples is n.

    Returns:
        (methods, metrics, B) in the order of the arguments. NaN for a metric that is not defined for a method, needs a
        column that the method does not have, or is not defined on a resample.

    Raises:
        ValueError: columns have another number of samples than the resamples, or hold numbers that are not finite.

    Example:
        >>> from tasks.numerics.metrics.certainty import ENTROPY
        >>> columns = {"a": {"entropy": np.array([1.0, 2.0])}, "b": {"entropy": np.array([2.0, 4.0])}}
        >>> found = replicates([ENTROPY], columns, None, Resampling(2, 100))
        >>> found.shape, bool((2 * found[0] == found[1]).all())
        ((2, 1, 100), True)
    """
    prepared = _prepare(metrics, columns_by_method, classes, resampling.samples)
    found = np.full((len(columns_by_method), len(metrics), resampling.count), np.nan)
    width = max(1, min(_BLOCK_BYTES // (4 * resampling.samples), -(-resampling.count // _THREADS)))
    starts = range(0, resampling.count, width)

    def fill(start: int) -> None:
        stop = min(start + width, resampling.count)
        _fill(found[:, :, start:stop], prepared, metrics, resampling.counts(start, stop), classes)

    with ThreadPoolExecutor(min(_THREADS, len(starts), os.cpu_count() or 1)) as pool:
        list(pool.map(fill, starts))
    return found


class _Prepared(NamedTuple):
    """What the metrics need of all methods, made once for all blocks of resamples."""

    places: list[tuple[int, int]]
    """Method and metric of each mean."""
    terms: NDArray[np.float32]
    """(means, n) the samples' terms, less their mean, so that rounding does not hide small differences."""
    averages: Floats
    """(means, 1) the means of the terms."""
    sums: list[dict[Terms, Sums | None]]
    """The sums of each method; methods of equal sums have the same object."""
    columns: list[SampleColumns]
    """The columns of each method."""


def _prepare(
    metrics: Sequence[Metric], columns_by_method: Mapping[str, SampleColumns], classes: int | None, samples: int
) -> _Prepared:
    places: list[tuple[int, int]] = []
    terms: list[Floats] = []
    sums: list[dict[Terms, Sums | None]] = []
    for row, (method, columns) in enumerate(columns_by_method.items()):
        sums.append(_sums(metrics, columns, classes, sums[-1] if sums else {}))
        for place, metric in _offered(metrics, columns):
            found = check_columns(metric.name, {name: columns[name] for name in metric.columns})
            if found != samples:
                raise ValueError(f"method {method}: wanted {samples} samples as in the resamples, got {found}")
            if metric.terms is not None and (of_metric := metric.terms(columns, classes)) is not None:
                places.append((row, place))
                terms.append(of_metric)
    averages = np.array([own.mean() for own in terms]).reshape(-1, 1)
    centred = np.empty((len(terms), samples), np.float32)
    for mean, own in enumerate(terms):
        centred[mean] = own - averages[mean]
    return _Prepared(places, centred, averages, sums, list(columns_by_method.values()))


def _offered(metrics: Sequence[Metric], columns: SampleColumns) -> Iterator[tuple[int, Metric]]:
    """Yield the metrics whose columns a method has, with their places among all."""
    return ((place, metric) for place, metric in enumerate(metrics) if set(metric.columns) <= columns.keys())


def _sums(
    metrics: Sequence[Metric], columns: SampleColumns, classes: int | None, former: Mapping[Terms, Sums | None]
) -> dict[Terms, Sums | None]:
    """Return the sums that a method's metrics are functions of, a former method's where these are equal."""
    found: dict[Terms, Sums | None] = {}
    for _, metric in _offered(metrics, columns):
        for part in metric.statistic.parts if isinstance(metric.statistic, OfSums) else ():
            if part not in found:
                own, known = part(columns, classes), former.get(part)
                found[part] = known if own is not None and known is not None and own.equals(known) else own
    return found


def _fill(found: Floats, prepared: _Prepared, metrics: Sequence[Metric], counts: Counts, classes: int | None) -> None:
    """Write the metrics of all methods on a block of resamples into (methods, metrics, block)."""
    samples = np.full(counts.shape[1], float(len(counts)))
    if prepared.places:
        rows, columns = zip(*prepared.places, strict=True)
        found[rows, columns] = prepared.averages + prepared.terms @ counts / len(counts)
    summed: dict[Terms, tuple[Sums, Summed]] = {}
    for row, (sums, columns_of_method) in enumerate(zip(prepared.sums, prepared.columns, strict=True)):
        for part, own in sums.items():
            if own is not None and not (part in summed and summed[part][0] is own):
                summed[part] = (own, weighted(own, counts, samples))
        for place, metric in _offered(metrics, columns_of_method):
            if isinstance(metric.statistic, OfSums):
                if all(sums[part] is not None for part in metric.statistic.parts):
                    found[row, place] = metric.statistic.finish(*(summed[part][1] for part in metric.statistic.parts))
            elif metric.terms is None:
                values = metric.statistic(columns_of_method, classes, counts)
                if values is not None:
                    found[row, place] = values
