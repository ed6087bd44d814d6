"""Stores of the former schema: outputs and predictions of version 1, results of version 2."""

import json
from dataclasses import replace
from itertools import chain

import pyarrow as pa

from storage import keys
from storage.identity import digest_of
from storage.pointers import point_to_latest
from storage.schemas import OUTPUTS, PREDICTIONS, RESULTS, TableSchema
from storage.tables import TableWriter, read_table, vectors
from tasks.references.outputs import OutputsReference

RUN = "r000000000000"
"""The run of former results."""

_PREDICTION_1 = (
    pa.field("sample_index", pa.int64(), nullable=False),
    pa.field("label", pa.int32(), nullable=True),
    pa.field("prediction", pa.int32(), nullable=False),
    pa.field("label_rank", pa.int32(), nullable=True),
    pa.field("loss", pa.float64(), nullable=True),
    pa.field("entropy", pa.float64(), nullable=False),
)
FORMER_OUTPUTS = {
    "fp32": TableSchema("outputs", 1, _PREDICTION_1, {"logits": pa.float32()}),
    "fp16": TableSchema("outputs", 1, _PREDICTION_1, {"logits": pa.float16()}),
}
FORMER_PREDICTIONS = TableSchema("predictions", 1, _PREDICTION_1)
FORMER_RESULTS = TableSchema(
    "results",
    2,
    (
        *(pa.field(name, pa.string(), nullable=False) for name in ("method", "dataset", "group", "metric")),
        pa.field("value", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=True) for name in ("ci_low", "ci_high")),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("uses_labels", pa.bool_(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("samples_table", "samples_id", "dataset_digest")),
        pa.field("note", pa.string(), nullable=True),
        *(pa.field(name, pa.list_(pa.string()), nullable=False) for name in ("models", "weights", "checkpoints")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("precision", "settings", "software")),
        pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ),
)


def former_identity(reference):
    """Return the identity that version 1 of its table gave a reference."""
    return {**reference.content, "schemas": {reference.table: 1}}


def former_place(reference):
    """Return the prefix of a reference's table as version 1 named it."""
    digest = digest_of(former_identity(reference))
    if isinstance(reference, OutputsReference):
        return keys.outputs(reference.dataset.digest, reference.model.weights, digest)
    return keys.derived(reference.table, reference.dataset.digest, digest)


def make_former(plan):
    """Rewrite the outputs, predictions and results of a finished run as earlier versions would have written them."""
    outputs = [*chain(*plan.outputs), *chain(*map(plan.judges, plan.datasets))]
    merged = [*chain(*map(plan.merges, plan.datasets)), *chain(*map(plan.ensembles, plan.datasets))]
    for reference in [*outputs, *merged]:
        _rewrite_samples(plan.store, reference)
    _rewrite_results(plan)
    for key in list(plan.store.keys("catalogue")):  # which those versions did not write
        plan.store.delete(key)


def _rewrite_samples(store, reference):
    logits = reference.scored.logits if isinstance(reference, OutputsReference) else None
    now = OUTPUTS[logits] if logits else PREDICTIONS
    then = FORMER_OUTPUTS[logits] if logits else FORMER_PREDICTIONS
    for span in reference.dataset.spans:
        key = keys.samples(reference.prefix, span)
        rows = read_table(store, key, now, [*(column.name for column in then.columns), *then.vectors])
        _write(store, keys.samples(former_place(reference), span), then, former_identity(reference), rows)
        _delete(store, key)


def _rewrite_results(plan):
    store, record = plan.store, plan.record
    places = [[cell.method, cell.predictions.dataset.name, former_place(cell.predictions)] for cell in plan.cells]
    identity = {"experiment": record.experiment, "settings": record.settings, "samples": places}
    rows = read_table(store, record.key, RESULTS, [column.name for column in FORMER_RESULTS.columns])
    own = rows.filter(rows["samples_table"].is_valid())  # former results had no rows of means
    _write(store, replace(record, run_id=RUN).key, FORMER_RESULTS, identity, own)
    _delete(store, record.key)
    point_to_latest(store, record.experiment, RUN)


def _write(store, key, schema, identity, rows):
    columns = {name: vectors(rows[name]) if name in schema.vectors else rows[name] for name in rows.column_names}
    widths = {name: columns[name].shape[1] for name in schema.vectors}
    writer = TableWriter(store, key, schema, identity=identity, widths=widths)
    writer.append({name: c.to_pylist() if isinstance(c, pa.ChunkedArray) else c for name, c in columns.items()})
    writer.commit()
    manifest = json.loads(store.read(keys.manifest(key)))
    del manifest["measured"]  # which former manifests do not have
    store.replace(keys.manifest(key), json.dumps(manifest).encode())


def _delete(store, key):
    store.delete(key)
    store.delete(keys.manifest(key))
