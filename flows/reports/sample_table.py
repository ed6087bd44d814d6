"""Predictions sample by sample, with the samples' names: one table of several methods and data sets, in one file."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import ExperimentError
from flows.reports.chosen_results import Choice
from flows.reports.run_contents import Predicted, predicted
from storage import keys
from storage.errors import ObjectMissing
from storage.schemas import OUTPUTS, PREDICTIONS, SAMPLES
from storage.store import Store
from storage.tables import read_samples
from tasks.progress import work

SUFFIXES = (".parquet", ".csv")
COLUMNS = {
    "experiment": pl.String,
    "run_id": pl.String,
    "dataset": pl.String,
    "method": pl.String,
    "sample_index": pl.Int64,
    "name": pl.String,
    "label": pl.Int32,
    "label_name": pl.String,
    "prediction": pl.Int32,
    "prediction_name": pl.String,
    "correct": pl.Boolean,
    "entropy": pl.Float64,
    "loss": pl.Float64,
}
"""The columns of the file."""


def write_samples(store: Store, choice: Choice, path: Path) -> int:
    """Write one row for each data set, method and sample into a file, and return the number of rows.

    The rows of one method on one data set are in memory at a time. The file has its name when it is complete.

    Args:
        store: holds the predictions.
        choice: the run, the methods and the data sets.
        path: the file, `.parquet` or `.csv`; an existing file is not overwritten.

    Raises:
        ExperimentError: the file exists or has another suffix, or the choice names something that does not exist.
        ObjectMissing: a table is missing.
    """
    if path.suffix not in SUFFIXES:
        raise ExperimentError(f"-o {path}: wanted a file that ends in {' or '.join(SUFFIXES)}")
    if path.exists():
        raise ExperimentError(f"-o {path}: exists already; name another file")
    if not path.absolute().parent.is_dir():
        raise ExperimentError(f"-o {path}: no such folder {path.absolute().parent}")
    chosen = predicted(store, choice, warn=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    rows = 0
    try:
        with unfinished.open("wb") as file, work("write samples", len(chosen)) as progress:
            out = _Out(file, path.suffix)
            for frame in _frames(store, chosen):
                out.append(frame)
                rows += len(frame)
                progress.advance(1)
            out.close()
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def _frames(store: Store, chosen: list[Predicted]) -> Iterator[pl.DataFrame]:
    """Yield the rows of each method on each data set; a data set's names are read once."""
    digest, names = "", pl.DataFrame()
    for one in sorted(chosen, key=lambda one: (one.experiment, one.run_id, _order(chosen, one.dataset))):
        if one.digest != digest:
            digest, names = one.digest, sample_names(store, one.digest)
        yield _frame(store, one, names)


def _order(chosen: list[Predicted], dataset: str) -> int:
    return next(i for i, one in enumerate(chosen) if one.dataset == dataset)


def sample_names(store: Store, digest: str) -> pl.DataFrame:
    """Return the names of a data set's samples: `sample_index`, `name` and `label_name`; no rows if none are stored.

    Args:
        store: the store.
        digest: the data set's digest.
    """
    columns = ["sample_index", "name", "label_name"]
    found = sorted({key.rpartition("/")[0] for key in store.keys(f"samples/dataset={digest}") if keys.is_samples(key)})
    for prefix in reversed(found):
        with suppress(ObjectMissing):
            return pl.DataFrame(pl.from_arrow(read_samples(store, prefix, SAMPLES, columns)))
    return pl.DataFrame(schema={name: COLUMNS[name] for name in columns})


def _frame(store: Store, one: Predicted, names: pl.DataFrame) -> pl.DataFrame:
    schema = OUTPUTS[one.logits] if one.prefix.startswith("outputs/") else PREDICTIONS
    columns = ["sample_index", "label", "prediction", "entropy", "loss"]
    rows = pl.DataFrame(pl.from_arrow(read_samples(store, one.prefix, schema, columns)))
    joined = rows.join(names, on="sample_index", how="left", maintain_order="left")
    classes = joined.select(prediction="label", prediction_name="label_name").drop_nulls().unique("prediction")
    return (
        joined.join(classes, on="prediction", how="left", maintain_order="left")
        .with_columns(
            experiment=pl.lit(one.experiment),
            run_id=pl.lit(one.run_id),
            dataset=pl.lit(one.dataset),
            method=pl.lit(one.method),
            correct=pl.col("prediction") == pl.col("label"),
        )
        .select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
    )


class _Out:
    """A file that grows by one data frame at a time."""

    def __init__(self, file: IO[bytes], suffix: str) -> None:
        self._file, self._is_csv, self._begun = file, suffix == ".csv", False
        self._schema = pl.DataFrame(schema=COLUMNS).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._writer = None if self._is_csv else pq.ParquetWriter(file, self._schema, compression="zstd")

    def append(self, frame: pl.DataFrame) -> None:
        if self._writer is None:
            frame.write_csv(self._file, include_header=not self._begun)
        else:
            table: pa.Table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer.write_table(table.cast(self._schema))
        self._begun = True

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
