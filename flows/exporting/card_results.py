"""The result rows of a model card: those of the exported method in one run, and which of them the files reproduce."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.reports.tables import IS_MEAN, rows_of_runs
from storage import keys
from storage.catalogue.reading import Rows, look
from storage.errors import ObjectMissing, StorageError
from storage.manifests import read_manifest
from storage.parquet_files import collected
from storage.pointers import latest_run
from storage.store import Store
from tasks.numerics.metrics.registry import METRICS
from tasks.references.json_form import from_json
from tasks.references.outputs import OutputsReference
from tasks.references.results import Cell, is_mean

_ESTIMATED = "_estimated"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The results of a method in one run."""

    run_id: str
    rows: pl.DataFrame
    """Every row of the method, with the columns of `storage.schemas.RESULTS`: all metrics, data sets and means."""
    same: frozenset[str]
    """Names of the data sets whose predictions the exported files give: the one that they were exported for, and for
    one merged model those that it met with the same head. For weights without a data set, and so without a head, all
    that the same weights met."""
    has_several_heads: bool = False
    """Whether the weights met these data sets with several heads."""

    def of_files(self, *, means: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the rows that the exported files were measured with, those of the first data set first.

        Args:
            means: whether to yield means over groups of several such data sets, in place of single data sets.
        """
        return (row for row in self._rows(means) if {*row["datasets"]} <= self.same)

    def of_others(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the method that involve other weights or another head, means included."""
        return (row for row in (*self._rows(False), *self._rows(True)) if not {*row["datasets"]} <= self.same)

    def _rows(self, means: bool) -> Iterator[dict[str, Any]]:
        rows = (row for row in self.rows.iter_rows(named=True) if is_mean(row["dataset"]) == means)
        return (row for row in rows if not means or len(row["datasets"]) > 1)  # the mean of one is that one's value


def is_estimated(metric: str) -> bool:
    """Return whether a metric is an estimate without labels of another one.

    Args:
        metric: its name in results.

    Example:
        >>> is_estimated("top1_estimated"), is_estimated("top1")
        (True, False)
    """
    return metric.endswith(_ESTIMATED)


def title_and_unit(metric: str) -> tuple[str, str]:
    """Return a metric's name for readers and its unit; estimates are marked.

    Args:
        metric: its name in results; one that this version does not know keeps that name.

    Example:
        >>> title_and_unit("top1"), title_and_unit("top1_estimated")
        (('top-1 accuracy', '%'), ('top-1 accuracy, estimated without labels', '%'))
    """
    known = {one.name: (one.title, one.unit) for one in METRICS}
    if metric in known or not is_estimated(metric):
        return known.get(metric, (metric, ""))
    title, unit = known.get(metric.removesuffix(_ESTIMATED), (metric.removesuffix(_ESTIMATED), ""))
    return f"{title}, estimated without labels", unit


def measured(record: Mapping[str, Any], store: Store) -> Measured | None:
    """Return the results of an exported method; None if the store has none of these predictions.

    The run is the recorded one if its rows are of the recorded predictions, else the experiment's latest run of which
    this is true, else the newest. Weights that were exported for no data set have no recorded predictions: their rows
    are those of the recorded run.

    Args:
        record: of the exported folder, with `experiment`, `method`, `predictions_id`, `kind` and `run_id`.
        store: holds the results.

    Raises:
        StorageError: the results are damaged.
    """
    for run_id in _runs(record, store):
        with suppress(ObjectMissing):
            every = rows_of_runs(store, [(record["experiment"], run_id)])
            rows = every.filter(pl.col("method") == record["method"])
            if found := _found(record, run_id, rows, store):
                return found
    return None


def _found(record: Mapping[str, Any], run_id: str, rows: pl.DataFrame, store: Store) -> Measured | None:
    """Return a run's results of the method, if they are of the recorded predictions."""
    of_datasets = rows.filter(~IS_MEAN)
    own = of_datasets if record["predictions_id"] is None else of_datasets.filter(samples_id=record["predictions_id"])
    if own.is_empty():
        return None
    name = own["dataset"][0]
    is_own = pl.col("dataset") == name
    ordered = pl.concat([rows.filter(is_own), rows.filter(~is_own)])
    if record["kind"] != "static":  # a mixture, bins or an offset are fitted to each data set anew
        return Measured(run_id=run_id, rows=ordered, same=frozenset({name}))
    heads, weights = _heads(record, run_id, store), own["weights"][0].to_list()
    pairs = of_datasets.select("dataset", "weights").iter_rows()
    alike = frozenset({name, *(dataset for dataset, digests in pairs if digests == weights)})
    if record["predictions_id"] is None:
        several = len({*heads.values()}) > 1 if heads else not record["classes"]
        return Measured(run_id=run_id, rows=ordered, same=alike, has_several_heads=several)
    same = frozenset(one for one in alike if one == name or (one in heads and heads[one] == heads.get(name)))
    return Measured(run_id=run_id, rows=ordered, same=same)


def _runs(record: Mapping[str, Any], store: Store) -> Iterator[str]:
    """Yield the runs that may hold the rows, the preferred one first; each once."""
    experiment, seen = record["experiment"], set[str]()
    if record.get("run_id"):
        seen.add(record["run_id"])
        yield record["run_id"]
    if record["predictions_id"] is None:
        return
    with suppress(ObjectMissing):
        latest = latest_run(store, experiment)
        if latest not in seen:
            seen.add(latest)
            yield latest
    found = look(store, experiment, Rows.ALL)
    if found.runs.is_empty():
        return
    wanted = found.rows(found.runs).filter(
        pl.col("samples_id") == record["predictions_id"], pl.col("method") == record["method"]
    )
    runs = collected(store, wanted.select("run_id", "created_at").unique("run_id"))
    yield from (run for run in runs.sort("created_at", "run_id", descending=True)["run_id"] if run not in seen)


def _heads(record: Mapping[str, Any], run_id: str, store: Store) -> dict[str, tuple[object, ...]]:
    """Return the head that the method used on each data set, with its groups of classes; empty without a plan."""
    try:
        plan = read_manifest(store, keys.results(record["experiment"], run_id)).measured.get("plan")
        cells: tuple[Cell, ...] = from_json(store.read(plan))["cells"] if plan else ()
    except (StorageError, ValueError, KeyError):
        return {}
    found = dict[str, tuple[object, ...]]()
    for cell in cells:
        if cell.method == record["method"]:
            predictions = cell.predictions
            first = predictions if isinstance(predictions, OutputsReference) else predictions.outputs[0]
            head = first.scored.head.digest if first.scored.head else None
            found[predictions.dataset.name] = (head, predictions.dataset.groups)
    return found
