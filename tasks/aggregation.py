"""Aggregation of per-sample predictions into results: a row for each method, data set or group of them, and metric."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.catalogue import commit_results
from storage.identity import canonical_json
from storage.pointers import point_to_latest
from storage.published_addresses import published
from storage.schemas import RESULTS
from storage.soundness import is_committed
from storage.store import Store
from storage.tables import TableWriter
from tasks.evidence.cost import Cost, Costs, joined
from tasks.evidence.dataset_estimates import DatasetEstimates, estimates_on
from tasks.evidence.group_means import GroupMean, group_means
from tasks.evidence.label_doubts import doubt_about
from tasks.evidence.run_comparisons import keep_comparisons
from tasks.evidence.sample_columns import outputs_of
from tasks.evidence.tuned_model import tuned_outputs
from tasks.references.datasets import DatasetReference
from tasks.references.needed import needed
from tasks.references.outputs import OutputsReference
from tasks.references.results import Cell, RunRecord, mean_name
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.aggregation")

_Rows = Iterator[dict[str, Any]]


@task(name="aggregate", cache_policy=NO_CACHE)
def aggregate(
    record: RunRecord,
    cells: Sequence[Cell],
    store: Store,
    plan: str | None = None,
    outputs: Sequence[OutputsReference] = (),
) -> Tally:
    """Write the rows of a run to the results, unless they exist, and mark it as the experiment's latest run.

    Args:
        record: the run.
        cells: its methods on its data sets.
        store: holds their predictions, and gets the results.
        plan: key of the run's plan, by which reports find it; None: not recorded.
        outputs: all outputs that the run extracts, also those that no cell is computed from.
    """
    done = is_committed(store, record.key, contents=True)
    if not done:
        writer = TableWriter(store, record.key, RESULTS, identity=_identity(record, cells, outputs), run=flow_run.id)
        measured = [
            estimates_on(one, [c for c in cells if _dataset(c) == one], store, tuned_outputs(one, record))
            for one in dict.fromkeys(map(_dataset, cells))
        ]
        if rows := _rows(record, cells, measured, store):
            writer.append({name: [row[name] for row in rows] for name in RESULTS.arrow({}).names})
        keep_comparisons(record, measured, store)
        commit_results(store, writer, {} if plan is None else {"plan": plan})
    point_to_latest(store, record.experiment, record.run_id)
    return Tally(0, len(cells)) if done else Tally(len(cells), 0)


def _identity(record: RunRecord, cells: Sequence[Cell], outputs: Sequence[OutputsReference]) -> dict[str, Any]:
    predictions = {f"{cell.method} on {_dataset(cell).name}": cell.predictions.id for cell in cells}
    # where each method's samples are, in order: data sets without labels have no rows that say it
    places = [[cell.method, _dataset(cell).name, cell.predictions.prefix] for cell in cells]
    return {
        "experiment": record.experiment,
        "settings": record.settings,
        "predictions": predictions,
        "samples": places,
        "needs": needed(record, cells, outputs),
    }


def _dataset(cell: Cell) -> DatasetReference:
    return cell.predictions.dataset


def _rows(
    record: RunRecord, cells: Sequence[Cell], measured: Sequence[DatasetEstimates], store: Store
) -> list[dict[str, Any]]:
    """Return all rows: those of each data set in order, then the means over groups."""
    of = Costs(store).of
    costs = {(cell.method, _dataset(cell).name): of(cell) for cell in cells}
    shared = {
        "checkpoints": [published(url, store) for url in record.checkpoints],
        "settings": canonical_json(record.settings),
        "software": f"dawin {version('dawin-pipeline')}, torch {version('torch')}",
        "created_at": datetime.now(UTC),
    }
    rows = [row for one in measured for row in _rows_on(one, cells, costs, _note(one.dataset, cells, store))]
    rows += [row for mean in group_means(measured) for row in _rows_of_mean(mean, cells, costs)]
    return [{**shared, **row, **_published(record, row)} for row in rows]


def _published(record: RunRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns about the number that was published for a row."""
    found = record.published_number(row["method"], row["dataset"], row["metric"])
    return {"published": found and found.value, "published_source": found and found.source}


def _note(dataset: DatasetReference, cells: Sequence[Cell], store: Store) -> str | None:
    """Return the warnings about a data set, and log a doubt about its labels."""
    if doubt := doubt_about(dataset, cells, store):
        log.warning("data set %s: %s", dataset.name, doubt)
    return "; ".join(filter(None, [dataset.note, doubt])) or None


def _rows_on(
    measured: DatasetEstimates, cells: Sequence[Cell], costs: Mapping[tuple[str, str], Cost], note: str | None
) -> _Rows:
    """Yield the rows of all methods and metrics on one data set."""
    for cell in cells:
        if _dataset(cell) != measured.dataset:
            continue
        predictions = cell.predictions
        own = {
            **_of_models([cell]),
            "dataset": predictions.dataset.name,
            "group": predictions.dataset.group,
            "datasets": [predictions.dataset.name],
            "samples_table": predictions.table,
            "samples_id": predictions.id,
            "dataset_digest": predictions.dataset.digest,
            "note": note,
            **costs[cell.method, predictions.dataset.name].columns,
        }
        for metric, found in measured.measured[cell.method].items():
            yield {**own, "metric": metric, **found.estimate._asdict()}


def _rows_of_mean(mean: GroupMean, cells: Sequence[Cell], costs: Mapping[tuple[str, str], Cost]) -> _Rows:
    """Yield the row of a mean over a group of data sets."""
    mine = [cell for cell in cells if cell.method == mean.method and _dataset(cell).name in mean.datasets]
    yield {
        **_of_models(mine),
        "dataset": mean_name(mean.group),
        "group": mean.group,
        "datasets": list(mean.datasets),
        "samples_table": None,
        "samples_id": None,
        "dataset_digest": None,
        "note": None,
        **joined([costs[cell.method, _dataset(cell).name] for cell in mine]).columns,
        "metric": mean.metric,
        **mean.estimate._asdict(),
    }


def _of_models(cells: Sequence[Cell]) -> dict[str, Any]:
    """Return the columns about a method and the models whose outputs it is made from, on one or several data sets."""
    outputs = {o.model.name: o for cell in cells for o in outputs_of(cell.predictions)}
    return {
        "method": cells[0].method,
        "uses_labels": any(cell.uses_labels for cell in cells),
        "models": list(outputs),
        "weights": [reference.model.digest for reference in outputs.values()],
        "precision": next(iter(outputs.values())).scored.precision,
    }
