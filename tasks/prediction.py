"""Prediction: the predictions of one method on images, from the tables of a store into one file for its user."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage import keys
from storage.schemas import BINS, COEFFICIENTS, MIXTURES, OUTPUTS, PREDICTIONS, SAMPLES, TableSchema
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table, vectors
from tasks.errors import InputError
from tasks.progress import work
from tasks.references.coefficients import BinsReference, FittedReference, MixtureReference
from tasks.references.names import NamesReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference, PredictionsReference


@task(name="write predictions", cache_policy=NO_CACHE)
def write_predictions(
    predictions: PredictionsReference,
    outputs: Sequence[OutputsReference],
    classes: Sequence[str],
    store: Store,
    file: str,
    *,
    provenance: Mapping[str, str],
) -> int:
    """Write a row for each image into a Parquet file, and return the number of rows.

    The rows of one object of the store are in memory at a time. The file has its name when it is complete.

    Args:
        predictions: of the method, complete in the store.
        outputs: of the models whose entropies become columns, `entropy_<model>`.
        classes: names of the classes; empty if none are known.
        store: holds the tables.
        file: path of the file; a file that exists stays as it is.
        provenance: texts by name, which the file's schema holds as metadata.

    Raises:
        ObjectMissing: a table is missing.
        StorageError: a table cannot be read.
        InputError: another process has written the file meanwhile.
    """
    path, dataset, rows = Path(file), predictions.dataset, 0
    with (
        tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as opened,
        work(f"write {path.name}", dataset.samples, stage="write") as progress,
    ):
        writer: pq.ParquetWriter | None = None
        for rows_of_span in _tables(predictions, outputs, classes, store):
            table = rows_of_span.replace_schema_metadata(dict(provenance))
            writer = writer or pq.ParquetWriter(opened, table.schema, compression="zstd")
            writer.write_table(table)
            rows += len(table)
            progress.advance(len(table))
        if writer is not None:
            writer.close()
        opened.flush()
        _name(Path(opened.name), path)
    return rows


def _name(unfinished: Path, path: Path) -> None:
    """Give a complete file its name, unless another file has it."""
    unfinished.chmod(0o644)
    try:
        path.hardlink_to(unfinished)
    except FileExistsError as error:
        raise InputError(f"-o {path}: another process has written it meanwhile") from error


def _tables(
    predictions: PredictionsReference, outputs: Sequence[OutputsReference], classes: Sequence[str], store: Store
) -> Iterator[pa.Table]:
    """Yield the rows of each object of the store."""
    schema = OUTPUTS[predictions.scored.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
    names = NamesReference(of=predictions.dataset)
    known = pa.array(classes, pa.string())
    for span in predictions.dataset.spans:
        columns = ["sample_index", "prediction", "confidence"]
        found = read_table(store, keys.samples(predictions.prefix, span), schema, columns)
        name = read_table(store, keys.samples(names.prefix, span), SAMPLES, ["name"])["name"]
        of_class = pc.take(known, found["prediction"]) if classes else pa.nulls(span.length, pa.string())
        rows = {
            "sample_index": found["sample_index"],
            "name": name,
            "prediction": found["prediction"],
            "class": of_class,
            "confidence": found["confidence"],
        }
        for one in outputs:
            key = keys.samples(one.prefix, span)
            rows[f"entropy_{one.model.name}"] = read_table(store, key, OUTPUTS[one.scored.logits], ["entropy"])[
                "entropy"
            ]
        yield pa.table({**rows, **_coefficients(predictions, span, store)})


def _coefficients(predictions: PredictionsReference, span: Span, store: Store) -> dict[str, pa.Array]:
    """Return the coefficients of the models that are merged or averaged, and the numbers of the clusters or bins."""
    source = None if isinstance(predictions, OutputsReference) else _source(predictions)
    cluster = pa.nulls(span.length, pa.int32())
    if source is None:
        return {"coefficients": pa.nulls(span.length, pa.list_(pa.float64())), "cluster": cluster}
    if isinstance(source, tuple):
        return {"coefficients": pa.array([list(source)] * span.length, pa.list_(pa.float64())), "cluster": cluster}
    schema, group = _of(source)
    table = read_table(store, keys.samples(source.prefix, span), schema, ["coefficients", *([group] if group else [])])
    own = vectors(table["coefficients"])
    if isinstance(predictions, MergeReference):
        own = predictions.of_models(own)
    flat = pa.array(own.ravel())
    offsets = pa.array(range(0, own.size + 1, own.shape[1]), pa.int32())
    return {
        "coefficients": pa.ListArray.from_arrays(offsets, flat),
        "cluster": table[group] if group else cluster,
    }


def _source(predictions: PredictionsReference) -> tuple[float, ...] | FittedReference | None:
    """Return the coefficients of predictions; None if the models' entropies alone choose the outputs."""
    assert not isinstance(predictions, OutputsReference)
    if isinstance(predictions, MergeReference):
        return predictions.source
    if predictions.weighting == "uniform":
        return (1 / len(predictions.outputs),) * len(predictions.outputs)
    return None if isinstance(predictions.weighting, str) else predictions.weighting


def _of(source: FittedReference) -> tuple[TableSchema, str | None]:
    """Return the schema of a table of coefficients, and its column of clusters or bins."""
    if isinstance(source, MixtureReference):
        return MIXTURES, "component"
    return (BINS, "bin") if isinstance(source, BinsReference) else (COEFFICIENTS, None)
