"""Tables: Parquet objects that are written by row group, checked against their schema, and committed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys
from storage.commits import commit, read_or_uncommit
from storage.errors import ObjectMissing, SchemaMismatch, VectorsMissing, damaged, first_line
from storage.exchanging import put_content
from storage.filesystem import readable_errors
from storage.identity import canonical_json
from storage.manifests import Manifest, committed, now, read_manifest
from storage.schemas import TableSchema
from storage.spans import chain
from storage.store import Store
from storage.table_checks import (
    IDENTITY,
    INDEX,
    UNREADABLE,
    fault_in_content,
    fault_in_numbers,
    fault_in_rows,
    raise_unless_damage,
    schema_of,
)
from storage.table_columns import to_table
from storage.verification import open_sound

ROW_GROUP = 1024  # rows; a row group of 1,000 float32 logits is 4 MiB
Columns = Mapping[str, Any]
"""The values of each column by its name: an array (n,), an array (n, width) for vectors, or a list."""


class TableWriter:
    """A writer of one Parquet object, which appears in the store when it is committed.

    The writer holds the encoded object and at most one row group in memory.

    Args:
        store: the store that gets the object.
        key: the object's key.
        schema: the table's schema.
        identity: everything that the content depends on.
        widths: the length of each of the schema's vectors; None for a table without vectors.
        run: the Prefect flow run that writes the object; None outside a flow run.

    Raises:
        SchemaMismatch: the widths are not those of the schema's vectors.

    Example:
        >>> from storage.schemas import COEFFICIENTS
        >>> key = "coefficients/dataset=0123/id=89ab/samples-00000000-00000001.parquet"
        >>> store = Store("memory://example-of-a-table")
        >>> writer = TableWriter(store, key, COEFFICIENTS, identity={"seed": 1}, widths={"coefficients": 2})
        >>> writer.append({"sample_index": [0, 1], "coefficients": [[0.25, 0.75], [1.0, 0.0]]})
        >>> writer.commit().rows
        2
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
        self._schema, self._widths = schema.arrow(widths or {}), dict(widths or {})
        self._described = self._schema.with_metadata(
            {**self._schema.metadata, IDENTITY: canonical_json(self._identity).encode()}
        )
        self._sink = pa.BufferOutputStream()
        self._writer = new_writer(self._sink, self._described)
        self._pending: list[pa.Table] = []
        self._rows = 0

    @property
    def key(self) -> str:
        """The key of the object."""
        return self._key

    def append(self, columns: Columns) -> None:
        """Add rows to the table.

        Args:
            columns: the values of every column of the schema, of one length and finite.

        Raises:
            SchemaMismatch: a column is missing or unknown, a type or a length is wrong, or a number is not finite.
        """
        where = self._store.address(self._key)
        table = to_table(columns, self._schema, where)
        if INDEX in table.column_names and (fault := fault_in_numbers(table)):
            raise SchemaMismatch(f"{where}: {fault}")
        self._pending.append(table)
        self._rows += table.num_rows
        if sum(t.num_rows for t in self._pending) >= ROW_GROUP:
            self._flush()

    def commit(self, measured: Mapping[str, Any] | None = None) -> Manifest:
        """Write the object and then its manifest.

        Another run, or one that was killed, may have written the object already. If its bytes are sound they stay,
        because both runs compute the object from the same identity; damaged bytes are replaced.

        Args:
            measured: the computing of the object as measured, for the manifest; None: nothing was measured.

        Returns:
            The manifest in the store at the end.

        Raises:
            ObjectDamaged: other runs keep writing the object.
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
            measured=dict(measured or {}),
            widths=self._widths,
        )
        found = commit(self._store, manifest, content, self._fault_of, self._widths_of)
        if any(self._widths[name] for name in found.left_out):  # another run did not keep these vectors
            return put_content(self._store, self._key, content, self._widths)
        return found

    def _fault_of(self, content: bytes) -> str | None:
        return fault_in_content(content, self._like(content), self._rows, self._key)

    def _widths_of(self, content: bytes) -> dict[str, int]:
        """Return the widths of other bytes under the key: optional vectors may be left out there, or here."""
        found = self._table.widths(schema_of(content))
        alike = {name for name in self._table.optional if not found[name] or not self._widths[name]}
        return {name: found[name] if name in alike else width for name, width in self._widths.items()}

    def _like(self, content: bytes) -> pa.Schema:
        """Return the schema that other bytes under the key must have to be sound."""
        return self._table.arrow(self._widths_of(content)).with_metadata(self._described.metadata)

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending).combine_chunks(), row_group_size=ROW_GROUP)
            self._pending = []


def new_writer(sink: pa.BufferOutputStream, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of Parquet as a store holds it.

    Each page has a checksum, which shows whether an object without a manifest is damaged.

    Args:
        sink: receives the bytes.
        schema: with the object's identity in its metadata.
    """
    return pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True)


def read_table(store: Store, key: str, schema: TableSchema, columns: Sequence[str] | None = None) -> pa.Table:
    """Return columns of a committed object, verified against its manifest, its schema and its key.

    Args:
        store: the store that holds the object.
        key: the object's key.
        schema: the table's schema.
        columns: the names of the columns to read; None: all.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: its manifest cannot be read.
        SchemaMismatch: the object belongs to another table, or has another version.
        VectorsMissing: the object is stored without a vector that is asked for.
        ObjectDamaged: the object cannot be read; its size, SHA-256 or number of rows differs from the manifest; its
            samples differ from those of its key; or a number is not finite. The commit is taken back, so that the
            next run computes the object again.
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
                if absent := schema.optional & set(names) - set(parquet.schema_arrow.names):
                    raise VectorsMissing(
                        f"{address}: stored without {', '.join(absent)}; `dawin run EXPERIMENT` computes them where a "
                        "table needs them"
                    )
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
    """Return columns of a per-sample table on one data set, in the data set's order.

    Args:
        store: the store that holds the table.
        prefix: of the table, from `keys.outputs` or `keys.derived`.
        schema: the table's schema.
        columns: the names of the columns to read.
        samples: the number of samples of the data set; None: all committed samples, which must have no gap.

    Returns:
        One row per sample: n rows.

    Raises:
        ObjectMissing: samples are missing.
        StorageError: an object cannot be read, for the reasons that `read_table` lists.

    Example:
        >>> from storage import spans
        >>> from storage.schemas import COEFFICIENTS
        >>> store, prefix = Store("memory://example-of-samples"), keys.derived("coefficients", "0123", "89ab")
        >>> for span in spans.cut(3, size=2):
        ...     key = keys.samples(prefix, span)
        ...     writer = TableWriter(store, key, COEFFICIENTS, identity={}, widths={"coefficients": 2})
        ...     columns = {"sample_index": range(*span), "coefficients": [[0.25, 0.75]] * span.length}
        ...     writer.append(columns)
        ...     _ = writer.commit()
        >>> read_samples(store, prefix, COEFFICIENTS, ["sample_index"], samples=3)["sample_index"].to_pylist()
        [0, 1, 2]
    """
    spans = [keys.span_of(key) for key in committed(store, prefix) if keys.is_samples(key)]
    found = chain(spans)
    reached = found[-1].stop if found else 0
    if not found or reached != (samples or reached) or reached < max(span.stop for span in spans):
        wanted = "" if samples is None else f" of {samples:,}"
        raise ObjectMissing(
            f"{store.address(prefix)}: {reached:,}{wanted} samples are committed without a gap; "
            "`dawin run EXPERIMENT` computes the others"
        )
    return pa.concat_tables([read_table(store, keys.samples(prefix, span), schema, columns) for span in found])


def vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of vectors as an array (n, width).

    Args:
        column: n fixed-size lists of one width.

    Example:
        >>> lists = pa.array([[0.25, 0.75], [1.0, 0.0]], pa.list_(pa.float64(), 2))
        >>> vectors(pa.chunked_array([lists])).shape
        (2, 2)
    """
    combined = column.combine_chunks()
    chunk = combined if isinstance(combined, pa.FixedSizeListArray) else combined.chunk(0)
    values: np.ndarray = chunk.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), chunk.type.list_size)


def _without_identity(schema: pa.Schema) -> pa.Schema:
    kept = {k: v for k, v in (schema.metadata or {}).items() if k != IDENTITY}
    return schema.with_metadata(kept)
