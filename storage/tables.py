"""Parquet objects: written row group by row group, checked against their schema, committed with a manifest."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import ObjectExists, SchemaMismatch
from storage.identity import canonical_json
from storage.manifests import Manifest, committed, now, read_manifest, write_manifest
from storage.schemas import TableSchema
from storage.store import Store

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
        described = {**self._schema.metadata, "dawin.identity": canonical_json(self._identity)}
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._sink, self._schema.with_metadata(described), compression="zstd")
        self._pending: list[pa.Table] = []
        self._rows = 0

    def append(self, columns: Columns) -> None:
        """Add rows; every column of the schema has to be there, with as many values as the others."""
        table = _to_table(columns, self._schema, self._store.address(self._key))
        self._pending.append(table)
        self._rows += table.num_rows
        if sum(t.num_rows for t in self._pending) >= ROW_GROUP:
            self._flush()

    def commit(self) -> Manifest:
        """Make the object visible, whole, then its manifest.

        If another run was first, its object stays: both were computed from the same identity.
        """
        self._flush()
        self._writer.close()
        content = self._sink.getvalue().to_pybytes()
        try:
            self._store.create(self._key, content)
        except ObjectExists:
            content = self._store.read(self._key)
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
        write_manifest(self._store, manifest)
        return manifest

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending).combine_chunks(), row_group_size=ROW_GROUP)
            self._pending = []


def read_table(store: Store, key: str, schema: TableSchema, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a committed object's columns; refuses an object without manifest or of another schema."""
    read_manifest(store, key)
    with store.open(key) as file, pq.ParquetFile(file) as parquet:
        schema.check(_without_identity(parquet.schema_arrow), store.address(key))
        return parquet.read(columns=None if columns is None else list(columns))


def read_samples(store: Store, prefix: str, schema: TableSchema, columns: Sequence[str]) -> pa.Table:
    """Return columns of all committed objects below a prefix, in data-set order."""
    tables = [read_table(store, key, schema, columns) for key in committed(store, prefix)]
    if not tables:
        return schema.arrow(dict.fromkeys(schema.vectors, 1)).empty_table().select(list(columns))
    return pa.concat_tables(tables)


def vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Return a fixed-size-list column as an array (n, width)."""
    combined = column.combine_chunks()
    chunk = combined if isinstance(combined, pa.FixedSizeListArray) else combined.chunk(0)
    values: np.ndarray = chunk.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), chunk.type.list_size)


def _without_identity(schema: pa.Schema) -> pa.Schema:
    kept = {k: v for k, v in (schema.metadata or {}).items() if k != b"dawin.identity"}
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
