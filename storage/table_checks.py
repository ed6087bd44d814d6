"""What a table's rows have to be, whoever wrote them: as many as wanted, those of the key, in order, finite."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys

IDENTITY = b"dawin.identity"
"""The metadata of an object that holds what it was computed from."""
INDEX = "sample_index"
UNREADABLE = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)
"""The errors of reading Parquet that may come of damaged bytes; `raise_unless_damage` tells which of them do."""


def raise_unless_damage(error: BaseException) -> None:
    """Raise an error of reading that says nothing about the bytes: of memory, a disk, a network or open files.

    On damaged bytes pyarrow raises an `OSError` of no other class and without number, where a thrift header is torn.
    """
    is_from_the_system = isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)
    if is_from_the_system or isinstance(error, MemoryError | pa.ArrowCancelled):
        raise error


def fault_in_content(content: bytes, schema: pa.Schema, rows: int, key: str) -> str | None:
    """Return why bytes are not the object that a writer would have written under a key; None: they are.

    Args:
        content: the bytes, which no manifest describes.
        schema: the object's, with its identity in the metadata.
        rows: how many it has to have.
        key: says which samples they are.
    """
    try:
        with pq.ParquetFile(BytesIO(content), page_checksum_verification=True) as parquet:
            found = parquet.schema_arrow
            if not found.equals(schema):
                return f"wanted columns {_columns(schema)}, got {_columns(found)}"
            if found.metadata != schema.metadata:  # the table's name and version, and its identity
                return f"wanted metadata {schema.metadata}, got {found.metadata}"
            return fault_in_rows(parquet.read(), rows, key)
    except UNREADABLE as error:
        raise_unless_damage(error)
        return f"not readable as Parquet ({first_line(error)})"


def fault_in_rows(table: pa.Table, rows: int, key: str) -> str | None:
    """Return what is wrong with a table's rows; None: they are as many as wanted, and those that its key says."""
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
    """Return where a table of samples holds a number that is not finite."""
    for field in table.schema:
        is_vector = pa.types.is_fixed_size_list(field.type)
        if not pa.types.is_floating(field.type.value_type if is_vector else field.type):
            continue
        width, before = field.type.list_size if is_vector else 1, 0
        for chunk in table[field.name].chunks:
            values = (chunk.flatten() if is_vector else chunk).to_numpy(zero_copy_only=False)
            wrong = ~np.isfinite(values)
            if chunk.null_count:  # no number at all, which numpy shows as NaN
                wrong &= ~chunk.is_null().to_numpy(zero_copy_only=False)
            if wrong.any():
                first = int(np.flatnonzero(wrong)[0])
                row = before + first // width
                return f"column {field.name}: wanted finite numbers, got {values[first]} in row {row}"
            before += len(chunk)
    return None


def _columns(schema: pa.Schema) -> list[str]:
    return [f"{field.name}: {field.type}" for field in schema]


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind."""
    return (str(error) or type(error).__name__).splitlines()[0]
