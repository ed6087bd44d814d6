"""Read a store with polars: lazily, sound objects only, with the partitions as columns."""

from collections.abc import Sequence
from itertools import groupby

import polars as pl
import pyarrow.parquet as pq

from storage import keys
from storage.catalogue.look import Rows, look, warn_left_out
from storage.errors import ObjectMissing
from storage.parquet_files import scan_files
from storage.schemas import RESULTS, TABLES, TableSchema
from storage.soundness import states
from storage.store import Store

_POLARS = {"float": pl.Float32, "double": pl.Float64}  # by pyarrow's names


def scan(table: str, *, store: str | Store) -> pl.LazyFrame:
    """Return a table of a store as a polars `LazyFrame`, with its partitions as columns of text.

    Vectors become lists, because their length differs between runs with two models and with three. Logits that are
    stored as float16 become float32. Damaged objects are left out; the log has a line for each of them, and one line
    for all objects that an earlier version of this program wrote in another form.

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
    sound = sound_keys(opened, table)
    if not sound:
        raise missing
    return scan_objects(opened, TABLES[table], sound)


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
    # a stray manifest of any other file is not damage
    found = {key: error for key, error in states(store, prefix, contents=False).items() if keys.is_table(key)}
    faults = {key: error for key, error in found.items() if error is not None}
    if faults and len(faults) == len(found):
        raise next(iter(faults.values()))
    warn_left_out(list(faults.values()))
    return [key for key in found if key not in faults]


def scan_objects(store: Store, table: TableSchema, chosen: Sequence[str]) -> pl.LazyFrame:
    """Return chosen objects of a table as a polars `LazyFrame`, in the form of `scan`.

    Args:
        store: the store that holds the objects.
        table: the table's schema.
        chosen: the keys of the objects, sorted; at least one.
    """
    by_width: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for _, mine in groupby(chosen, key=_folder):
        own = list(mine)
        by_width.setdefault(_widths(store, own[0], table), []).extend(own)
    parts = [scan_files(store, own) for own in by_width.values()]
    lists = [pl.col(name).arr.to_list().cast(pl.List(_POLARS[str(kind)])) for name, kind in table.vectors.items()]
    return pl.concat([part.with_columns(lists) for part in parts])


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _widths(store: Store, key: str, table: TableSchema) -> tuple[tuple[str, int], ...]:
    """Return the number type and the length of each of an object's vectors; they are the same within a folder."""
    if not table.vectors:
        return ()
    with store.open(key) as file:
        schema = pq.read_schema(file)
    types = [schema.field(name).type for name in table.vectors]
    return tuple((str(kind.value_type), kind.list_size) for kind in types)
