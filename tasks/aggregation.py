"""Aggregation of per-sample predictions into results: one row for each method, data set and metric."""

import logging
import math
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.identity import canonical_json
from storage.pointers import point_to_latest
from storage.published_addresses import published
from storage.schemas import OUTPUTS, PREDICTIONS, RESULTS
from storage.soundness import is_committed
from storage.store import Store
from storage.tables import TableWriter, read_samples
from tasks.numerics.label_order import ModelPredictions, doubt_of_labels
from tasks.numerics.metrics.metric import GROUP_COLUMNS, LABEL_COLUMNS, PREDICTION_COLUMNS, SampleColumns
from tasks.numerics.metrics.registry import metrics_of
from tasks.opening.read_coefficients import read_coefficients
from tasks.references.coefficients import BinsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.aggregation")

_WITHOUT_LABEL = {"label": -1, "label_rank": -1, "loss": math.nan}  # the values of metrics' columns in place of null


@task(name="aggregate", cache_policy=NO_CACHE)
def aggregate(record: RunRecord, cells: Sequence[Cell], store: Store) -> Tally:
    """Write the rows of a run to the results, unless they exist, and mark it as the experiment's latest run."""
    done = is_committed(store, record.key, contents=True)
    if not done:
        writer = TableWriter(store, record.key, RESULTS, identity=_identity(record, cells), run=flow_run.id)
        doubts = {
            dataset: doubt
            for dataset in dict.fromkeys(map(_dataset, cells))
            if (doubt := _doubt(dataset, cells, store))
        }
        for dataset, doubt in doubts.items():
            log.warning("data set %s: %s", dataset.name, doubt)
        rows = [row for cell in cells for row in _rows(record, cell, store, doubts.get(_dataset(cell)))]
        if rows:
            writer.append({name: [row[name] for row in rows] for name in RESULTS.arrow({}).names})
        writer.commit()
    point_to_latest(store, record.experiment, record.run_id)
    return Tally(0, len(cells)) if done else Tally(len(cells), 0)


def _identity(record: RunRecord, cells: Sequence[Cell]) -> dict[str, Any]:
    predictions = {f"{cell.method} on {_dataset(cell).name}": cell.predictions.id for cell in cells}
    # where each method's samples are, in order: data sets without labels have no rows that say it
    places = [[cell.method, _dataset(cell).name, cell.predictions.prefix] for cell in cells]
    return {
        "experiment": record.experiment,
        "settings": record.settings,
        "predictions": predictions,
        "samples": places,
    }


def _dataset(cell: Cell) -> DatasetReference:
    return cell.predictions.dataset


def _doubt(dataset: DatasetReference, cells: Sequence[Cell], store: Store) -> str | None:
    """Return a message that a data set's labels seem not to belong to the head's classes, or None."""
    if dataset.classes is None:
        return None
    outputs = [o for cell in cells if _dataset(cell) == dataset for o in _outputs(cell) if o.model.made is None]
    columns = ["label", "prediction", "entropy"]
    tables = [
        read_samples(store, o.prefix, OUTPUTS[o.scored.logits], columns) for o in {o.id: o for o in outputs}.values()
    ]
    tables = [table for table in tables if len(table) == dataset.samples]
    if not tables:
        return None
    models = [ModelPredictions(table["prediction"].to_numpy(), table["entropy"].to_numpy()) for table in tables]
    return doubt_of_labels(tables[0]["label"].to_numpy(), models, dataset.classes)


def _outputs(cell: Cell) -> Sequence[OutputsReference]:
    """Return the outputs of the models from which a cell's predictions are made."""
    return [cell.predictions] if isinstance(cell.predictions, OutputsReference) else cell.predictions.outputs


def _rows(record: RunRecord, cell: Cell, store: Store, doubt: str | None) -> list[dict[str, Any]]:
    predictions, outputs = cell.predictions, _outputs(cell)
    shared = {
        "method": cell.method,
        "dataset": predictions.dataset.name,
        "group": predictions.dataset.group,
        "uses_labels": cell.uses_labels,
        "samples_table": predictions.table,
        "samples_id": predictions.id,
        "dataset_digest": predictions.dataset.digest,
        "note": "; ".join(filter(None, [predictions.dataset.note, doubt])) or None,
        "models": [reference.model.name for reference in outputs],
        "weights": [reference.model.digest for reference in outputs],
        "checkpoints": [published(url, store) for url in record.checkpoints],
        "precision": outputs[0].scored.precision,
        "settings": canonical_json(record.settings),
        "software": f"dawin {version('dawin-pipeline')}, torch {version('torch')}",
        "created_at": datetime.now(UTC),
    }
    return [{**shared, **measured} for measured in _measured(predictions, store)]


def _measured(predictions: PredictionsReference, store: Store) -> Iterator[dict[str, Any]]:
    """Yield the estimates of all metrics that are defined for the predictions, as columns of a row."""
    metrics = metrics_of(_available(predictions))
    columns = _read(predictions, {column for metric in metrics for column in metric.columns}, store)
    for metric in metrics:
        estimate = metric.estimate({name: columns[name] for name in metric.columns}, predictions.dataset.classes)
        if estimate is not None:
            yield {"metric": metric.name, **estimate._asdict()}


def _available(predictions: PredictionsReference) -> list[str]:
    """Return the names of the per-sample columns that exist for predictions."""
    labels = LABEL_COLUMNS if predictions.dataset.classes is not None else ()
    groups = GROUP_COLUMNS if _groups(predictions) else ()
    return [*PREDICTION_COLUMNS, *labels, *groups]


def _groups(predictions: PredictionsReference) -> MixtureReference | BinsReference | None:
    """Return the clusters or bins in which samples were merged, None for predictions of another kind."""
    if isinstance(predictions, MergeReference) and isinstance(predictions.source, MixtureReference | BinsReference):
        return predictions.source
    return None


def _read(predictions: PredictionsReference, names: Collection[str], store: Store) -> SampleColumns:
    """Return the named columns of predictions, all samples in the order of the data set."""
    stored = [name for name in (*PREDICTION_COLUMNS, *LABEL_COLUMNS) if name in names]
    columns = {}
    if stored:
        schema = OUTPUTS[predictions.scored.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
        table = read_samples(store, predictions.prefix, schema, stored, samples=predictions.dataset.samples)
        for name in stored:
            column = table[name].fill_null(_WITHOUT_LABEL[name]) if name in _WITHOUT_LABEL else table[name]
            columns[name] = column.to_numpy()
    if isinstance(predictions, MergeReference) and (groups := _groups(predictions)):
        prefixes = dict(zip(GROUP_COLUMNS, (groups.coefficients.prefix, groups.prefix), strict=True))
        for name in prefixes.keys() & names:
            coefficients = read_coefficients(store, prefixes[name], predictions.dataset.whole)
            columns[name] = predictions.of_models(coefficients)
    return columns
