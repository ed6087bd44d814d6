"""Checks of a table's content: its schema, its number of rows, its samples and their order, and finite numbers."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys
from storage.errors import first_line

IDENTITY = b"dawin.identity"
"""The metadata key of an object's identity: everything that it was computed from."""
INDEX = "sample_index"
UNREADABLE = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)
"""The errors of reading Parquet that damaged bytes can cause; `raise_unless_damage` sorts out the others."""


def raise_unless_damage(error: BaseException) -> None:
    """Raise a reading error again if its cause is memory, a disk, a network or open files, and not damaged bytes.

    A torn thrift header makes pyarrow raise a plain `OSError` without a number; errors of the system have a number or a
    class of their own.

    Args:
        error: one of `UNREADABLE`.
    """
    is_from_the_system = isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)
    if is_from_the_system or isinstance(error, MemoryError | pa.ArrowCancelled):
        raise error


def schema_of(content: bytes) -> pa.Schema:
    """Return the schema of Parquet in memory; one without columns where it cannot be read."""
    try:
        return pq.read_schema(BytesIO(content))
    except UNREADABLE as error:
        raise_unless_damage(error)
        return pa.schema([])


def fault_in_content(content: bytes, schema: pa.Schema, rows: int, key: str) -> str | None:
    """Return the fault of bytes that no manifest describes, or None if they are the object that a writer would write.

    Args:
        content: the bytes.
        schema: the schema of the object, with its identity in the metadata.
        rows: the number of rows of the object.
        key: the object's key, which holds its span of samples.
    """
    try:
        with pq.ParquetFile(BytesIO(content), page_checksum_verification=True) as parquet:
            found = parquet.schema_arrow
            if not found.equals(schema):
                return f"wanted columns {_columns(schema)}, got {_columns(found)}"
            if found.metadata != schema.metadata:  # the table's name and version, and its identity
                return f"wanted metadata {schema.metadata}, got {found.metadata}"
            return fault_in_rows(parquet.read(), rows, key) or _fault_for_polars(content, rows)
    except UNREADABLE as error:
        raise_unless_damage(error)
        return f"not readable as Parquet ({first_line(error)})"


def _fault_for_polars(content: bytes, rows: int) -> str | None:
    """Return why polars, which users read tables with, refuses bytes that pyarrow accepts.

    Pages have checksums, but the footer has none: pyarrow passes over some damage there.
    """
    import polars as pl  # noqa: PLC0415  needed only where bytes without a manifest lie under a key

    try:
        found = pl.read_parquet(BytesIO(content)).height
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise_unless_damage(error)
        return f"not readable as Parquet ({first_line(error)})"
    return None if found == rows else f"wanted {rows:,} rows, polars reads {found:,}"


def fault_in_rows(table: pa.Table, rows: int, key: str) -> str | None:
    """Return the fault of a table's rows, or None if they are the samples that its key holds, in order and finite.

    Args:
        table: the rows.
        rows: the number of rows that it has to have.
        key: the object's key, which holds its span of samples.
    """
    if table.num_rows != rows:
        return f"wanted {rows:,} rows, got {table.num_rows:,}"
    if INDEX not in table.column_names:
        return None
    if keys.is_samples(key):
        start, stop = keys.span_of(key)
        index = table[INDEX].to_numpy()
        if len(index) != stop - start:
            return f"wanted samples {start:,} to {stop - 1:,}, got {len(index):,} rows"
        wrong = np.flatnonzero(index != np.arange(start, stop))
        if wrong.size:
            return f"wanted {INDEX} {start + wrong[0]} in row {wrong[0]}, got {index[wrong[0]]}"
    return fault_in_numbers(table)


def fault_in_numbers(table: pa.Table) -> str | None:
    """Return the column, value and row of the first number of a table that is not finite, or None.

    Args:
        table: any table; its null values are not faults.
    """
    for field in table.schema:
        is_vector = pa.types.is_fixed_size_list(field.type)
        if not pa.types.is_floating(field.type.value_type if is_vector else field.type):
            continue
        width, before = field.type.list_size if is_vector else 1, 0
        for chunk in table[field.name].chunks:
            values = (chunk.flatten() if is_vector else chunk).to_numpy(zero_copy_only=False)
            wrong = ~np.isfinite(values)
            if chunk.null_count:  # numpy shows a null as NaN
                wrong &= ~chunk.is_null().to_numpy(zero_copy_only=False)
            if wrong.any():
                first = int(np.flatnonzero(wrong)[0])
                row = before + first // width
                return f"column {field.name}: wanted finite numbers, got {values[first]} in row {row}"
            before += len(chunk)
    return None


def _columns(schema: pa.Schema) -> list[str]:
    return [f"{field.name}: {field.type}" for field in schema]
