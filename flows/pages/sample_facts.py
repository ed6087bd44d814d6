"""Numbers of single samples, aggregated by data set before anything of them reaches a page."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.pages.charts.class_changes import Change
from flows.pages.charts.coefficient_panels import marginal_counts
from flows.pages.charts.reliability import Bins, bins_of
from flows.pages.run_data import RunData
from flows.reports.sample_table import sample_names
from storage.errors import StorageError
from storage.schemas import COMPONENTS, MIXTURES
from storage.tables import read_samples, read_table, vectors
from tasks.evidence.sample_columns import stored_columns
from tasks.numerics.checks import Floats
from tasks.opening.read_coefficients import StoredCoefficients

log = logging.getLogger("dawin.report")

_COLUMNS = ("prediction", "confidence", "label", "label_rank")


class Predicted(NamedTuple):
    """One method's predictions on a data set."""

    prediction: NDArray[np.int32]
    confidence: Floats
    is_right: NDArray[np.bool_]
    """All false without labels."""


class Hits(NamedTuple):
    """A cluster: its samples, and how many of them each method predicts right."""

    coefficients: Floats
    """(M,) that it is merged with."""
    samples: int
    right: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The coefficients of a data set, and the mixture that was fitted to them."""

    models: tuple[str, ...]
    counts: Floats
    """(M, bins) samples by coefficient of each model."""
    mean: Floats
    """(M,) mean coefficients."""
    weights: Floats
    """(K,); none without a mixture."""
    concentration: Floats
    """(K, M)."""
    coefficients: Floats
    """(K, M) that the clusters are merged with."""
    samples: Floats
    """(K,)."""


@dataclass(frozen=True, kw_only=True)
class SampleFacts:
    """The aggregated samples of one data set."""

    dataset: str
    bins: Mapping[str, Bins] = field(default_factory=dict)
    """By method; empty without labels."""
    changes: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    """By the method that the merge is compared with: one for each class, the greatest gain first."""
    clusters: Sequence[Hits] = ()
    """The clusters, in order of the last model's coefficient; empty without labels or clusters."""
    clustered_by: str | None = None
    """The method of DaWin that merges by these clusters."""
    fit: Fit | None = None
    samples: int = 0


def sample_facts(run: RunData, dataset: str, merge: str | None) -> SampleFacts | None:
    """Return the aggregated samples of a data set; None, with a warning in the log, where they cannot be read.

    Args:
        run: the run.
        dataset: one of its data sets.
        merge: the method of DaWin that a report looks at; None: the run has none.
    """
    try:
        return _facts(run, dataset, merge)
    except StorageError as error:
        log.warning("report: data set %s: %s", dataset, error)
        return None


def predicted(run: RunData, method: str, dataset: str) -> tuple[Predicted, NDArray[np.int32]] | None:
    """Return a method's predictions on a data set and the labels, −1 without; None if the plan has none.

    Raises:
        StorageError: they cannot be read.
    """
    reference = run.plan.predictions(method, dataset)
    if reference is None:
        reference = next((o for o in run.plan.outputs(dataset) if run.individual(o.model.name) == method), None)
    if reference is None:
        return None
    columns = stored_columns(reference, _COLUMNS, run.store)
    right = columns["label_rank"] == 0
    return Predicted(columns["prediction"], columns["confidence"], right), columns["label"]


def models_on(run: RunData, dataset: str) -> list[str]:
    """Return the names in results of the individual models that have outputs on a data set, the base first."""
    return [run.individual(outputs.model.name) for outputs in run.plan.outputs(dataset)]


def compared_with(run: RunData, dataset: str) -> list[str]:
    """Return the individual models that the merge is compared with on a data set: the best fine-tuned one, the base."""
    models = models_on(run, dataset)
    if len(models) > 2:
        scores = {m: found.value for m in models[1:] if (found := run.estimate(m, dataset))}
        models = [models[0], max(scores, key=scores.__getitem__)] if scores else models[:2]
    return models[::-1]


def _facts(run: RunData, dataset: str, merge: str | None) -> SampleFacts:
    has_labels = dataset in run.labelled
    fit = _fit(run, dataset, merge) if merge else None
    samples = run.samples[dataset]
    if not has_labels:
        return SampleFacts(dataset=dataset, fit=fit, samples=samples)
    by = _clustered_by(run, dataset, merge)
    methods = dict.fromkeys([*models_on(run, dataset), *([merge] if merge else []), *([by] if by else [])])
    found = {method: both for method in methods if (both := predicted(run, method, dataset))}
    bins = {method: bins_of(one.confidence, one.is_right) for method, (one, _) in found.items()}
    changes, clusters = dict[str, Sequence[Change]](), list[Hits]()
    if merge in found:
        own, labels = found[merge]
        names = class_names(run, dataset, labels)
        for other in compared_with(run, dataset):
            if other in found:
                changes[other] = _changes(labels, found[other][0].is_right, own.is_right, names)
    if by in found:
        shown = [*models_on(run, dataset), by]
        clusters = _clusters(run, dataset, by, {m: found[m][0].is_right for m in shown if m in found})
    return SampleFacts(
        dataset=dataset, bins=bins, changes=changes, clusters=clusters, clustered_by=by, fit=fit, samples=samples
    )


def _clustered_by(run: RunData, dataset: str, merge: str | None) -> str | None:
    """Return the method of DaWin whose clusters are shown: the one that the report looks at if it has any."""
    methods = [*([merge] if merge else []), *run.dawin]
    return next((method for method in methods if run.plan.mixture(method, dataset)), None)


def _fit(run: RunData, dataset: str, merge: str) -> Fit | None:
    reference = run.plan.coefficients(merge, dataset)
    if reference is None:
        return None
    models = tuple(outputs.model.name for outputs in reference.outputs)
    mixture = next((found for m in run.dawin if (found := run.plan.mixture(m, dataset))), None)
    counts, total = _distribution(StoredCoefficients(run.store, reference))
    empty = np.zeros((0, len(models)))
    parts = np.zeros(0), empty, empty, np.zeros(0)
    if mixture is not None and mixture.coefficients == reference:
        columns = ["weight", "concentration", "coefficients", "samples"]
        table = read_table(run.store, mixture.components_key, COMPONENTS, columns)
        parts = (
            table["weight"].to_numpy(),
            vectors(table["concentration"]).astype(np.float64),
            vectors(table["coefficients"]).astype(np.float64),
            table["samples"].to_numpy().astype(np.float64),
        )
    return Fit(
        models=models,
        counts=counts,
        mean=total / reference.dataset.samples,
        weights=parts[0],
        concentration=parts[1],
        coefficients=parts[2],
        samples=parts[3],
    )


def _distribution(coefficients: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Return the counts (M, bins) and the sums (M,) of each model's coefficients."""
    parts = [(np.stack([marginal_counts(column) for column in part.T]), part.sum(axis=0)) for part in coefficients]
    counts, sums = (np.sum(values, axis=0) for values in zip(*parts, strict=True))
    return counts, sums


def _clusters(run: RunData, dataset: str, merge: str, right: Mapping[str, NDArray[np.bool_]]) -> list[Hits]:
    """Return the clusters of the mixture by which a method merges."""
    mixture = run.plan.mixture(merge, dataset)
    if mixture is None:
        return []
    components = read_samples(run.store, mixture.prefix, MIXTURES, ["component"])["component"].to_numpy()
    table = read_table(run.store, mixture.components_key, COMPONENTS, ["component", "coefficients"])
    coefficients = vectors(table["coefficients"]).astype(np.float64)
    count = len(coefficients)
    sizes = np.bincount(components, minlength=count)
    hits = {m: np.bincount(components, one.astype(np.float64), count).astype(np.int64) for m, one in right.items()}
    found = [
        Hits(coefficients[row], int(sizes[k]), {m: int(counted[k]) for m, counted in hits.items()})
        for row, k in enumerate(table["component"].to_pylist())
        if sizes[k]
    ]
    return sorted(found, key=lambda one: float(one.coefficients[-1]))


def _changes(
    labels: NDArray[np.int32], before: NDArray[np.bool_], after: NDArray[np.bool_], names: Mapping[int, str]
) -> list[Change]:
    """Return the change of each class that has samples, the greatest gain first."""
    count = int(labels.max()) + 1
    samples, old, new = (
        np.bincount(labels, weights, count).astype(np.int64)
        for weights in (None, before.astype(np.float64), after.astype(np.float64))
    )
    found = [
        Change(names.get(k, f"class {k}"), int(samples[k]), int(old[k]), int(new[k]))
        for k in np.flatnonzero(samples).tolist()
    ]
    return sorted(found, key=lambda change: (-change.difference, -change.samples))


def class_names(run: RunData, dataset: str, labels: NDArray[np.int32]) -> dict[int, str]:
    """Return the names of the classes that have samples; none where the data set's classes are numbers.

    Args:
        run: the run.
        dataset: one of its data sets.
        labels: (n,) its labels.
    """
    reference = next(one for one in run.plan.datasets if one.name == dataset)
    names = sample_names(run.store, reference.digest)
    if len(names) != len(labels) or names["label_name"].null_count() == len(names):
        return {}
    classes, places = np.unique(labels, return_index=True)
    return dict(zip(classes.tolist(), names["label_name"][places.tolist()].to_list(), strict=True))
