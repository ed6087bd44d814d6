"""Aggregation: from per-sample predictions to one row per method, data set and metric."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
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
from tasks.numerics.accuracy import top_k
from tasks.numerics.bins import binning_error
from tasks.numerics.label_order import Predictions, doubt_of_labels
from tasks.opening.read_coefficients import read_coefficients
from tasks.references.coefficients import BinsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.aggregation")

_METRICS = {"top1": 1, "top5": 5}


@task(name="aggregate", cache_policy=NO_CACHE)
def aggregate(record: RunRecord, cells: Sequence[Cell], store: Store) -> Tally:
    """Write the results of a run: its rows once, and that it is the experiment's latest."""
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
    return {"experiment": record.experiment, "settings": record.settings, "predictions": predictions}


def _dataset(cell: Cell) -> DatasetReference:
    return cell.predictions.dataset


def _doubt(dataset: DatasetReference, cells: Sequence[Cell], store: Store) -> str | None:
    """Return why a data set's labels seem not to belong to the head's classes; None where nothing says so."""
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
    models = [Predictions(table["prediction"].to_numpy(), table["entropy"].to_numpy()) for table in tables]
    return doubt_of_labels(tables[0]["label"].to_numpy(), models, dataset.classes)


def _outputs(cell: Cell) -> Sequence[OutputsReference]:
    """Return the outputs of the models that a cell's predictions are made of."""
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
    return [{**shared, **measured} for measured in (*_accuracies(predictions, store), *_errors(predictions, store))]


def _accuracies(predictions: PredictionsReference, store: Store) -> Iterator[dict[str, Any]]:
    dataset = predictions.dataset
    if dataset.classes is None:
        return
    schema = OUTPUTS[predictions.scored.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
    table = read_samples(store, predictions.prefix, schema, ["label_rank"], samples=dataset.samples)
    ranks = table["label_rank"].to_numpy()
    for metric, k in _METRICS.items():
        if k < dataset.classes:  # else every label is among that many
            estimate = top_k(ranks.astype(np.int32), k)
            low, high = estimate.low, estimate.high
            yield _measured(metric, estimate.value, estimate.samples, low, high)


def _errors(predictions: PredictionsReference, store: Store) -> Iterator[dict[str, Any]]:
    """Yield how far the coefficients that samples are merged with in groups lie from their own."""
    if not isinstance(predictions, MergeReference):
        return
    source = predictions.source
    if isinstance(source, MixtureReference | BinsReference):
        samples = predictions.dataset.samples
        whole = predictions.dataset.whole
        prefixes = (source.coefficients.prefix, source.prefix)
        tables = [predictions.of_models(read_coefficients(store, prefix, whole)) for prefix in prefixes]
        error = binning_error(*tables)
        yield _measured("coefficient_error_mean", error.mean, samples)
        yield _measured("coefficient_error_max", error.largest, samples)


def _measured(
    metric: str, value: float, samples: int, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    return {"metric": metric, "value": value, "ci_low": low, "ci_high": high, "samples": samples}
