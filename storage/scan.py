"""Read a store with polars: lazily, sound objects only, with the partitions as columns."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys
from storage.catalogue.reading import Rows, look, warn_left_out
from storage.errors import ObjectMissing, StorageError
from storage.manifests import Manifest
from storage.parquet_files import scan_files
from storage.schemas import RESULTS, TABLES, TableSchema
from storage.soundness import inspected
from storage.store import Store

_POLARS = {"float": pl.Float32, "double": pl.Float64}  # by pyarrow's names


def scan(table: str, *, store: str | Store) -> pl.LazyFrame:
    """Return a table of a store as a polars `LazyFrame`, with its partitions as columns of text.

    Vectors become lists, because their length differs between runs with two models and with three. Logits that are
    stored as float16 become float32; the list is null where an object is without logits. Damaged objects are left out;
    the log has a line for each of them, and one line for all objects that an earlier version of this program wrote in
    another form.

    Args:
        table: `results`, `comparisons`, `outputs`, `coefficients`, `mixtures`, `components`, `bins`,
            `predictions` or `samples`.
        store: a store or its address.

    Raises:
        KeyError: no such table exists.
        ObjectMissing: nothing of the table has been committed yet.
        StorageError: none of the table's objects is sound; this is the first one's error.

    Example:
        >>> from storage.schemas import COEFFICIENTS
        >>> from storage.tables import TableWriter
        >>> store = Store("memory://example-of-a-scan")
        >>> key = "coefficients/dataset=0123/id=89ab/samples-00000000-00000001.parquet"
        >>> writer = TableWriter(store, key, COEFFICIENTS, identity={}, widths={"coefficients": 2})
        >>> writer.append({"sample_index": [0, 1], "coefficients": [[0.25, 0.75], [1.0, 0.0]]})
        >>> _ = writer.commit()
        >>> scan("coefficients", store=store).filter(dataset="0123").collect()["sample_index"].to_list()
        [0, 1]
    """
    if table not in TABLES:
        raise KeyError(f"no table {table!r}; the tables are {', '.join(TABLES)}")
    opened = store if isinstance(store, Store) else Store(store)
    missing = ObjectMissing(f"{opened.address(table)}: nothing has been committed yet")
    if table == RESULTS.name:
        seen = look(opened, rows=Rows.ALL)
        runs = seen.sound()
        if runs.is_empty():
            raise missing
        return seen.rows(runs)
    sound, schema = _sound(opened, table), TABLES[table]
    if not sound:
        raise missing
    parts = _widths(opened, schema, sound).items()
    return pl.concat([_scan_alike(opened, schema, dict(zip(schema.vectors, w, strict=True)), own) for w, own in parts])


def sound_keys(store: Store, prefix: str) -> list[str]:
    """Return the keys of the sound objects below a prefix, sorted, and log a line for each damaged one.

    Objects of an earlier version of this program are left out too, with one line for all of them. This compares sizes,
    because a scan may read few of the objects.

    Args:
        store: the store that holds the objects.
        prefix: a table other than results, or a folder below it.

    Raises:
        StorageError: objects exist and none is sound; this is the first one's error.
    """
    return list(_sound(store, prefix))


def scan_objects(store: Store, table: TableSchema, chosen: Sequence[str]) -> pl.LazyFrame:
    """Return chosen objects of a table without vectors as a polars `LazyFrame`, in the form of `scan`.

    Args:
        store: the store that holds the objects.
        table: the table's schema.
        chosen: the keys of the objects, sorted; at least one.
    """
    return _scan_alike(store, table, {}, chosen)


def _sound(store: Store, prefix: str) -> dict[str, Manifest]:
    # a stray manifest of any other file is not damage
    found = {key: one for key, one in inspected(store, prefix, contents=False).items() if keys.is_table(key)}
    faults = [one for one in found.values() if isinstance(one, StorageError)]
    if faults and len(faults) == len(found):
        raise faults[0]
    warn_left_out(faults)
    return {key: one for key, one in found.items() if isinstance(one, Manifest)}


def _widths(store: Store, table: TableSchema, found: Mapping[str, Manifest]) -> dict[tuple[int, ...], list[str]]:
    """Return the keys of objects by the lengths of their vectors.

    One object of a folder is opened if the manifest has no record of the lengths.
    """
    known = dict[str, tuple[int, ...]]()
    by_width = dict[tuple[int, ...], list[str]]()
    for key, manifest in found.items():
        if manifest.widths.keys() >= table.vectors.keys():
            widths = tuple(manifest.widths[name] for name in table.vectors)
        else:
            folder = key.rpartition("/")[0]
            if folder not in known:
                with store.open(key) as file:
                    known[folder] = tuple(table.widths(pq.read_schema(file)).values())
            widths = known[folder]
        by_width.setdefault(widths, []).append(key)
    return by_width


def _scan_alike(store: Store, table: TableSchema, widths: Mapping[str, int], own: Sequence[str]) -> pl.LazyFrame:
    """Scan objects whose vectors have the same widths; no object is opened before rows are collected."""
    empty = pl.from_arrow(pa.schema([*table.columns, *table.fields(widths)]).empty_table())
    schema = pl.DataFrame(empty).schema
    found = scan_files(store, own, schema)
    lists = {name: pl.List(_POLARS[str(kind)]) for name, kind in table.vectors.items()}
    return found.select(
        *(column.name for column in table.columns),
        *((pl.col(n).arr.to_list() if widths[n] else pl.lit(None)).cast(type_).alias(n) for n, type_ in lists.items()),
        pl.exclude(*schema.names()),  # the partitions
    )
