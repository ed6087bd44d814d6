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
from storage.manifests import is_committed
from storage.pointers import point_to_latest
from storage.published_addresses import published
from storage.schemas import OUTPUTS, PREDICTIONS, RESULTS
from storage.store import Store
from storage.tables import TableWriter, read_samples
from tasks.coefficients import read_coefficients
from tasks.derived import BinsReference, Cell, MergeReference, MixtureReference, PredictionsReference, RunRecord
from tasks.numerics.accuracy import top_k
from tasks.numerics.bins import binning_error
from tasks.references import OutputsReference
from tasks.streaming import Tally

log = logging.getLogger("dawin.aggregation")

_METRICS = {"top1": 1, "top5": 5}


@task(name="aggregate", cache_policy=NO_CACHE)
def aggregate(record: RunRecord, cells: Sequence[Cell], store: Store) -> Tally:
    """Write the results of a run: its rows once, and that it is the experiment's latest."""
    done = is_committed(store, record.key)
    if not done:
        writer = TableWriter(store, record.key, RESULTS, identity=_identity(record, cells), run=flow_run.id)
        rows = [row for cell in cells for row in _rows(record, cell, store)]
        if rows:
            writer.append({name: [row[name] for row in rows] for name in RESULTS.arrow({}).names})
        writer.commit()
    point_to_latest(store, record.experiment, record.run_id)
    return Tally(0, len(cells)) if done else Tally(len(cells), 0)


def _identity(record: RunRecord, cells: Sequence[Cell]) -> dict[str, Any]:
    predictions = {f"{cell.method} on {_dataset(cell).name}": cell.predictions.id for cell in cells}
    return {"experiment": record.experiment, "settings": record.settings, "predictions": predictions}


def _dataset(cell: Cell) -> Any:  # noqa: ANN401  every kind of reference has a data set
    return cell.predictions.dataset


def _rows(record: RunRecord, cell: Cell, store: Store) -> list[dict[str, Any]]:
    predictions = cell.predictions
    outputs = [predictions] if isinstance(predictions, OutputsReference) else predictions.outputs
    shared = {
        "method": cell.method,
        "dataset": predictions.dataset.name,
        "group": predictions.dataset.group,
        "uses_labels": cell.uses_labels,
        "samples_table": predictions.table,
        "samples_id": predictions.id,
        "dataset_digest": predictions.dataset.digest,
        "note": predictions.dataset.note,
        "models": [reference.model.name for reference in outputs],
        "weights": [reference.model.digest for reference in outputs],
        "checkpoints": [published(url, store) for url in record.checkpoints],
        "precision": outputs[0].precision,
        "settings": canonical_json(record.settings),
        "software": f"dawin {version('dawin-pipeline')}, torch {version('torch')}",
        "created_at": datetime.now(UTC),
    }
    return [{**shared, **measured} for measured in (*_accuracies(predictions, store), *_errors(predictions, store))]


def _accuracies(predictions: PredictionsReference, store: Store) -> Iterator[dict[str, Any]]:
    dataset = predictions.dataset
    if dataset.classes is None:
        return
    schema = OUTPUTS[predictions.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
    ranks = read_samples(store, predictions.prefix, schema, ["label_rank"])["label_rank"].to_numpy()
    if len(ranks) != dataset.samples:
        raise RuntimeError(f"{store.address(predictions.prefix)}: {len(ranks)} of {dataset.samples} samples are there")
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
        prefixes = (source.coefficients.prefix, source.prefix)
        tables = [predictions.rows(read_coefficients(store, prefix, 0, samples)) for prefix in prefixes]
        error = binning_error(*tables)
        yield _measured("coefficient_error_mean", error.mean, samples)
        yield _measured("coefficient_error_max", error.largest, samples)


def _measured(
    metric: str, value: float, samples: int, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    return {"metric": metric, "value": value, "ci_low": low, "ci_high": high, "samples": samples}
