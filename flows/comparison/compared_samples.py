"""The columns of a comparison, from predictions in the store: values by a metric, right samples, and resamples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from flows.comparison.run_tables import RunTable
from flows.reports.run_contents import Predicted
from flows.reports.sample_table import sample_names
from storage.schemas import OUTPUTS, PREDICTIONS
from storage.store import Store
from storage.tables import read_samples
from tasks.evidence.compared import Compared, ComparedColumn, mean_of
from tasks.evidence.dataset_estimates import seeded_resampling
from tasks.numerics.evidence.replicates import replicates
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.metric import Metric, SampleColumns
from tasks.progress import work

_LEAST_CLASSES = 6  # at least: results have a row of top5, so that more than five classes exist

Side = tuple[RunTable, Sequence[str], Mapping[str, str]]
"""A run, the methods of it that are compared, and the names of the data sets in it by those in the first run."""


def compared_columns(
    store: Store, metric: Metric, columns: Sequence[tuple[str, Sequence[str]]], sides: Sequence[Side]
) -> Iterator[ComparedColumn]:
    """Yield the data sets and means of a metric, with everything that comparisons of the methods need.

    The samples of one data set are in memory at a time.

    Args:
        store: holds the predictions.
        metric: the metric.
        columns: names of data sets and means in the first run, each with the data sets that it is over.
        sides: the run, or both runs.

    Raises:
        ObjectMissing: predictions are missing.
        StorageError: an object is damaged.
    """
    of_means = {one for _, members in columns if len(members) > 1 for one in members}
    alone: dict[str, list[str]] = {}
    for name, members in columns:
        if len(members) == 1:  # the data set itself, and the mean of a group that has no other
            alone.setdefault(members[0], []).append(name)
    needed = list(dict.fromkeys(one for _, members in columns for one in members))
    kept: dict[str, ComparedColumn] = {}
    with work(f"compare by {metric.name}", len(needed), unit="data sets") as progress:
        for dataset in needed:
            column = _on_dataset(store, metric, dataset, sides, resampled=dataset in of_means)
            yield from (replace(column, dataset=name) for name in alone.get(dataset, ()))
            # of a mean only the resampled values are needed
            kept[dataset] = replace(column, methods=[replace(one, right=None) for one in column.methods])
            progress.advance(1)
    for name, members in columns:
        if len(members) > 1:
            yield mean_of(name.partition("/")[2], [kept[one] for one in members])


def _on_dataset(
    store: Store, metric: Metric, dataset: str, sides: Sequence[Side], *, resampled: bool
) -> ComparedColumn:
    places = [
        (run, method, names[dataset])
        for run, methods, names in sides
        for method in methods
        if (method, names[dataset], metric.name) in run.rows
    ]
    samples = {
        f"{run.name} {method}": _samples(store, run.predictions[method, name], metric) for run, method, name in places
    }
    classes = max([_LEAST_CLASSES, *(int(one[c].max()) + 1 for one in samples.values() for c in _classes_of(one))])
    is_share = metric.interval == "wilson" and metric.terms is not None
    count = len(next(iter(next(iter(samples.values())).values())))
    drawn = None
    if resampled or not is_share:
        resampling = _resampling(store, sides[0][0].digests[dataset], count)
        drawn = replicates([metric], samples, classes, resampling)[:, 0, :]
    methods = [
        Compared(
            method=method,
            run=run.name,
            value=run.rows[method, name, metric.name]["value"],
            right=_right(metric, samples[f"{run.name} {method}"], classes) if is_share else None,
            replicates=None if drawn is None else drawn[number],
            deciding=metric.deciding(samples[f"{run.name} {method}"]) if metric.deciding else None,
        )
        for number, (run, method, name) in enumerate(places)
    ]
    run = sides[0][0]
    return ComparedColumn(
        dataset=dataset, group=run.groups[dataset], metric=metric.name, samples=count, least=count, methods=methods
    )


def _classes_of(columns: SampleColumns) -> list[str]:
    return [name for name in ("label", "prediction", "label_rank") if name in columns]


def _right(metric: Metric, columns: SampleColumns, classes: int) -> np.ndarray:
    """Return whether each sample counts for a share of samples, such as top-1 accuracy."""
    assert metric.terms is not None
    terms = metric.terms(columns, classes)
    assert terms is not None  # the results have a value, so the metric is defined
    return terms > 0.5


def _samples(store: Store, one: Predicted, metric: Metric) -> SampleColumns:
    """Return the metric's columns of a method's predictions, all samples in the order of the data set."""
    schema = OUTPUTS[one.logits] if one.prefix.startswith("outputs/") else PREDICTIONS
    table = read_samples(store, one.prefix, schema, list(metric.columns))
    return {name: table[name].to_numpy() for name in metric.columns}


def _resampling(store: Store, digest: str, samples: int) -> Resampling:
    """Return the resamples of a data set, as runs draw them."""
    return seeded_resampling(samples, digest, sample_names(store, digest)["name"].to_list())
