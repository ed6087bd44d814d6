"""Metrics of many methods on one data set, prepared once and computed on any number of weightings of its samples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns, Weights, check_columns
from tasks.numerics.metrics.sums import OfSums, Part, Sums, resampled_sums, weighted

_CACHED = 1_600_000  # counts of the resamples whose sums are made at once, so that they stay in a processor's cache


class MethodParts(NamedTuple):
    """The metrics of one method on the samples, and what they are computed from."""

    columns: SampleColumns
    values: Floats
    """(metrics,) NaN for a metric that is not defined, or needs a column that the method does not have."""
    sums: Mapping[Part, Sums]
    """The sums that metrics are functions of; none for sums that do not exist."""
    terms: Mapping[int, NDArray[np.float32]]
    """Part that a metric is the mean of, less the mean: 32 bits are enough for the differences between resamples."""


class Prepared(NamedTuple):
    """Metrics of methods on one data set."""

    metrics: Sequence[Metric]
    classes: int | None
    methods: Sequence[MethodParts]
    values: Floats
    """(methods, metrics) on the samples themselves; NaN where they are not defined."""
    means: Sequence[tuple[int, int]]
    """Method and metric of each mean of terms."""
    terms: NDArray[np.float32]
    """(means, n) the terms, less the mean."""


def parts_of(
    metrics: Sequence[Metric], method: str, columns: SampleColumns, classes: int | None, samples: int
) -> MethodParts:
    """Return the metrics of one method on the samples, and what they are computed from.

    Args:
        metrics: the metrics; those that need columns which the method does not have are left out.
        method: its name, for the message.
        columns: of the n samples.
        classes: number of classes; None without labels.
        samples: n.

    Raises:
        ValueError: the columns have another number of samples, or hold numbers that are not finite.
    """
    sums: dict[Part, Sums] = {}
    terms: dict[int, NDArray[np.float32]] = {}
    values, once = np.full(len(metrics), np.nan), np.ones((samples, 1))
    for place, metric in offered(metrics, columns):
        found = check_columns(metric.name, {name: columns[name] for name in metric.columns})
        if found != samples:
            raise ValueError(f"method {method}: wanted {samples} samples as in the resamples, got {found}")
        if isinstance(metric.statistic, OfSums):
            made = ((part, part(columns, classes)) for part in metric.statistic.parts if part not in sums)
            sums.update((part, own) for part, own in made if own is not None)
        elif metric.terms is not None and (of_metric := metric.terms(columns, classes)) is not None:
            values[place] = of_metric.mean()
            terms[place] = (of_metric - values[place]).astype(np.float32)
    parts = MethodParts(columns, values, sums, terms)
    _compute(parts, metrics, _Weighting(classes, once, partial(weighted, weights=once), {}), values[:, None])
    return parts._replace(sums={part: own.single() for part, own in sums.items()})


def offered(metrics: Sequence[Metric], columns: SampleColumns) -> Iterator[tuple[int, Metric]]:
    """Yield the metrics whose columns a method has, with their places among all."""
    return ((place, metric) for place, metric in enumerate(metrics) if set(metric.columns) <= columns.keys())


def joined(metrics: Sequence[Metric], classes: int | None, methods: Sequence[MethodParts]) -> Prepared:
    """Return the metrics of methods, with their means in one matrix, and equal sums of several methods once.

    Args:
        metrics: the metrics.
        classes: number of classes; None without labels.
        methods: the parts of one or more methods.
    """
    means = [(row, place) for row, method in enumerate(methods) for place in method.terms]
    terms = np.array([methods[row].terms[place] for row, place in means], np.float32)
    shared: list[MethodParts] = []
    for method in methods:
        former = shared[-1].sums if shared else {}
        sums = {part: _known(own, former.get(part)) for part, own in method.sums.items()}
        shared.append(method._replace(sums=sums, terms={}))
    return Prepared(metrics, classes, shared, np.array([method.values for method in methods]), means, terms)


def _known(own: Sums, former: Sums | None) -> Sums:
    """Return the former method's sums if these are equal to the own ones, as counts of labels are."""
    return former if former is not None and own.equals(former) else own


def resampled(prepared: Prepared, counts: NDArray[np.float32]) -> Floats:
    """Return the metrics on resamples, (methods, metrics, B); NaN where they are not defined.

    Args:
        prepared: the metrics.
        counts: (n, B) how often each sample is drawn.
    """
    found = np.full((*prepared.values.shape, counts.shape[1]), np.nan)
    width = max(8, _CACHED // len(counts))
    for start in range(0, counts.shape[1], width):
        few = np.ascontiguousarray(counts[:, start : start + width])
        weighting = _Weighting(prepared.classes, few, partial(resampled_sums, counts=few.astype(np.uint8)), {})
        for method, of_method in zip(prepared.methods, found[:, :, start : start + width], strict=True):
            _compute(method, prepared.metrics, weighting, of_method)
    if prepared.means:
        rows, places = zip(*prepared.means, strict=True)
        found[rows, places] = prepared.values[rows, places][:, None] + prepared.terms @ counts / len(counts)
    return found


class _Weighting(NamedTuple):
    """Weights of samples, and what sums of methods derive from them."""

    classes: int | None
    weights: Weights
    derive: Callable[..., Any]
    """From sums and the number of samples to what is derived from the weighted sums."""
    derived: dict[Part, tuple[Sums, Any]]


def _compute(method: MethodParts, metrics: Sequence[Metric], weighting: _Weighting, found: Floats) -> None:
    """Write all metrics of a method but the means of terms into (metrics, B)."""
    weights, derived = weighting.weights, weighting.derived
    samples = np.full(weights.shape[1], float(len(weights)))
    for part, own in method.sums.items():
        if part not in derived or derived[part][0] is not own:
            derived[part] = (own, weighting.derive(own, samples=samples))
    for place, metric in offered(metrics, method.columns):
        statistic = metric.statistic
        if isinstance(statistic, OfSums):
            if all(part in method.sums for part in statistic.parts):
                found[place] = statistic.finish(*(derived[part][1] for part in statistic.parts))
        elif metric.terms is None:
            of_metric = statistic(method.columns, weighting.classes, weights)
            if of_metric is not None:
                found[place] = of_metric
