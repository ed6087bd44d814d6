"""Strip objects of their vectors: outputs without logits keep their predictions, entropies and losses, bit for bit."""

import os

import pyarrow as pa
import pyarrow.parquet as pq

from storage.commits import read_or_uncommit
from storage.errors import SchemaMismatch, damaged, first_line
from storage.exchanging import put_content, settle_content
from storage.filesystem import readable_errors
from storage.manifests import read_manifest
from storage.schemas import TABLES, TableSchema
from storage.store import Store
from storage.table_checks import UNREADABLE, raise_unless_damage
from storage.tables import new_writer
from storage.verification import open_sound


def strip_logits(store: Store, key: str) -> int:
    """Remove the logits from a committed object of outputs, and return the number of bytes that this frees.

    At each moment, readers get the full object or the stripped one, verified. A killed process leaves either; another
    call completes the step. Identity, rows and all other columns stay as they are. The full object is read once, by
    row group; the stripped one is in memory.

    Args:
        store: the store that holds the object.
        key: the object's key.

    Returns:
        0 where the object is without logits already.

    Raises:
        SchemaMismatch: the object belongs to a table whose objects cannot be without vectors.
        ObjectMissing: the object is not committed.
        ManifestInvalid: its manifest cannot be read.
        ObjectDamaged: the object differs from its manifest; its commit is taken back.

    Example:
        >>> from storage.schemas import OUTPUTS
        >>> from storage.tables import TableWriter, read_table
        >>> store, key = Store("memory://example-of-stripping"), "outputs/dataset=0123/weights=45/id=67/part.parquet"
        >>> writer = TableWriter(store, key, OUTPUTS["fp32"], identity={}, widths={"logits": 500})
        >>> numbers = ("prediction", "label", "label_rank", "loss", "entropy", "confidence", "sum_of_squares")
        >>> writer.append({"sample_index": [0], "logits": [list(range(500))]} | {name: [0] for name in numbers})
        >>> before = writer.commit()
        >>> strip_logits(store, key) == before.bytes - read_manifest(store, key).bytes > 0
        True
        >>> read_table(store, key, OUTPUTS["fp32"]).num_rows, read_manifest(store, key).widths
        (1, {'logits': 0})
    """
    manifest = read_manifest(store, key)
    table = TABLES.get(manifest.table)
    if table is None or not table.optional:
        raise SchemaMismatch(f"{store.address(key)}: wanted an object of outputs, got one of {manifest.table}")
    if manifest.left_out and not manifest.successors:
        return 0
    before, content = read_or_uncommit(store, key, lambda: _stripped(store, key, table))
    widths = dict.fromkeys(table.optional, 0)
    if before == len(content):  # a killed process has replaced the object already
        settle_content(store, key, content, widths)
        return 0
    put_content(store, key, content, widths)
    return before - len(content)


def _stripped(store: Store, key: str, table: TableSchema) -> tuple[int, bytes]:
    """Return the present size of an object, and its bytes without the vectors."""
    manifest, address = read_manifest(store, key), store.address(key)
    with readable_errors(address), open_sound(store, manifest) as file:
        try:
            with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
                kept = [name for name in parquet.schema_arrow.names if name not in table.optional]
                if len(kept) == len(parquet.schema_arrow.names):
                    file.seek(0)
                    content = file.read()
                    return len(content), content
                return file.seek(0, os.SEEK_END), _without(parquet, kept)
        except UNREADABLE as error:
            raise_unless_damage(error)
            raise damaged(address, f"not readable as Parquet ({first_line(error)})") from error


def _without(parquet: pq.ParquetFile, kept: list[str]) -> bytes:
    """Return the bytes of an object with some of its columns alone, in the same row groups."""
    found = parquet.schema_arrow
    sink = pa.BufferOutputStream()
    with new_writer(sink, pa.schema([found.field(name) for name in kept], metadata=found.metadata)) as writer:
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, columns=kept)
            writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
    content: bytes = sink.getvalue().to_pybytes()
    with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as written:
        if not written.read().equals(parquet.read(columns=kept)):
            raise RuntimeError("stripping: the columns that stay differ; the object was left as it is")
    return content
