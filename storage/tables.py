"""Parquet objects: written row group by row group, checked against their schema, committed with a manifest."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys
from storage.commits import commit, read_or_uncommit
from storage.errors import ObjectMissing, SchemaMismatch, damaged
from storage.filesystem import readable_errors
from storage.identity import canonical_json
from storage.manifests import Manifest, committed, now, read_manifest
from storage.schemas import TableSchema
from storage.store import Store
from storage.table_checks import (
    IDENTITY,
    INDEX,
    UNREADABLE,
    fault_in_content,
    fault_in_numbers,
    fault_in_rows,
    first_line,
    raise_unless_damage,
)
from storage.verification import open_sound

ROW_GROUP = 1024  # rows; a row group of 1,000 float32 logits is 4 MiB
Columns = Mapping[str, Any]
"""Column name to values: arrays (n,), arrays (n, width) for vectors, or lists."""


class TableWriter:
    """Writes one Parquet object in pieces and commits it.

    Holds the encoded object and at most one row group. Nothing is visible in the store before `commit`.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        schema: TableSchema,
        *,
        identity: Mapping[str, Any],
        widths: Mapping[str, int] | None = None,
        run: str | None = None,
    ) -> None:
        self._store, self._key, self._table, self._run = store, key, schema, run
        self._identity = dict(identity)
        self._schema = schema.arrow(widths or {})
        self._described = self._schema.with_metadata(
            {**self._schema.metadata, IDENTITY: canonical_json(self._identity).encode()}
        )
        self._sink = pa.BufferOutputStream()
        # with checksums a page, so that an object whose manifest was never written can be told from a damaged one
        self._writer = pq.ParquetWriter(self._sink, self._described, compression="zstd", write_page_checksum=True)
        self._pending: list[pa.Table] = []
        self._rows = 0

    def append(self, columns: Columns) -> None:
        """Add rows; every column of the schema has to be there, with as many values as the others, and finite."""
        where = self._store.address(self._key)
        table = _to_table(columns, self._schema, where)
        if INDEX in table.column_names and (fault := fault_in_numbers(table)):
            raise SchemaMismatch(f"{where}: {fault}")
        self._pending.append(table)
        self._rows += table.num_rows
        if sum(t.num_rows for t in self._pending) >= ROW_GROUP:
            self._flush()

    def commit(self) -> Manifest:
        """Make the object visible, whole, then its manifest.

        Bytes that are there already, of a run that was first or of one that was killed, stay if they are sound: both
        were computed from the same identity. Else they are written over.
        """
        self._flush()
        self._writer.close()
        content = self._sink.getvalue().to_pybytes()
        manifest = Manifest(
            key=self._key,
            table=self._table.name,
            version=self._table.version,
            rows=self._rows,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            identity=self._identity,
            created_at=now(),
            run=self._run,
        )
        return commit(self._store, manifest, content, self._fault_of)

    def _fault_of(self, content: bytes) -> str | None:
        return fault_in_content(content, self._described, self._rows, self._key)

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending).combine_chunks(), row_group_size=ROW_GROUP)
            self._pending = []


def read_table(store: Store, key: str, schema: TableSchema, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a committed object's columns, held against its manifest, its schema and its key.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: its manifest cannot be read.
        SchemaMismatch: it is another table, or of another version.
        ObjectDamaged: its size, its SHA-256 or its number of rows are not those of the manifest, it cannot be read,
            its samples are not those of its key in order, or a number is not finite. Its commit is taken back, so
            that the next run computes it again.
    """
    return read_or_uncommit(store, key, lambda: _read(store, key, schema, columns))


def _read(store: Store, key: str, schema: TableSchema, columns: Sequence[str] | None) -> pa.Table:
    manifest, address = read_manifest(store, key), store.address(key)
    in_full = columns is None or not schema.vectors.keys().isdisjoint(columns)  # vectors are most of an object's bytes
    with readable_errors(address), open_sound(store, manifest, in_full=in_full) as file:
        try:
            with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
                schema.check(_without_identity(parquet.schema_arrow), address)
                names = list(parquet.schema_arrow.names if columns is None else columns)
                indexed = INDEX in parquet.schema_arrow.names
                table = parquet.read(columns=[*names, *([INDEX] if indexed and INDEX not in names else [])])
        except UNREADABLE as error:
            raise_unless_damage(error)
            raise damaged(address, f"not readable as Parquet ({first_line(error)})") from error
    if fault := fault_in_rows(table, manifest.rows, key):
        raise damaged(address, fault)
    return table.select(names)


def read_samples(
    store: Store, prefix: str, schema: TableSchema, columns: Sequence[str], *, samples: int | None = None
) -> pa.Table:
    """Return columns of all committed objects below a prefix, in data-set order.

    Args:
        store: where the objects are.
        prefix: of one table of one data set.
        schema: the table's.
        columns: which to read.
        samples: how many there have to be; None: as many as are there, without a gap.

    Raises:
        ObjectMissing: samples are missing; and as `read_table`.
    """
    found = [key for key in committed(store, prefix) if keys.is_samples(key)]
    reached = 0
    for start, stop in map(keys.span_of, found):
        if start != reached:
            break
        reached = stop
    if not found or reached != (samples or reached) or reached != keys.span_of(found[-1])[1]:
        wanted = "" if samples is None else f" of {samples:,}"
        raise ObjectMissing(
            f"{store.address(prefix)}: {reached:,}{wanted} samples are committed without a gap; "
            "`dawin run EXPERIMENT` computes the others"
        )
    return pa.concat_tables([read_table(store, key, schema, columns) for key in found])


def vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Return a fixed-size-list column as an array (n, width)."""
    combined = column.combine_chunks()
    chunk = combined if isinstance(combined, pa.FixedSizeListArray) else combined.chunk(0)
    values: np.ndarray = chunk.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), chunk.type.list_size)


def _without_identity(schema: pa.Schema) -> pa.Schema:
    kept = {k: v for k, v in (schema.metadata or {}).items() if k != IDENTITY}
    return schema.with_metadata(kept)


def _to_table(columns: Columns, schema: pa.Schema, where: str) -> pa.Table:
    if set(columns) != set(schema.names):
        raise SchemaMismatch(f"{where}: wanted columns {schema.names}, got {list(columns)}")
    try:
        arrays = [_to_array(columns[f.name], f) for f in schema]
        table = pa.Table.from_arrays(arrays, schema=schema)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise SchemaMismatch(f"{where}: {error}") from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise SchemaMismatch(f"{where}: column {field.name} must not hold nulls")
    return table


def _to_array(values: Any, field: pa.Field) -> pa.Array:  # noqa: ANN401  whatever pyarrow takes
    if pa.types.is_fixed_size_list(field.type):
        array = np.ascontiguousarray(values)
        if array.ndim != 2 or array.shape[1] != field.type.list_size:
            raise ValueError(f"column {field.name}: wanted shape (n, {field.type.list_size}), got {array.shape}")
        flat = pa.array(array.reshape(-1), type=field.type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    return pa.array(values, type=field.type)
