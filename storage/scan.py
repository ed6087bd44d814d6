"""Reading a store with polars: lazily, committed objects only, partitions as columns."""

import logging
import os
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby

import polars as pl
import pyarrow.parquet as pq

from storage import keys
from storage.errors import ObjectMissing
from storage.schemas import TABLES, TableSchema
from storage.soundness import states
from storage.store import Store

log = logging.getLogger("dawin.storage")

_POLARS = {"float": pl.Float32, "double": pl.Float64}  # by pyarrow's names


def scan(table: str, *, store: str | Store) -> pl.LazyFrame:
    """Return a table of a store as a polars `LazyFrame`, its partitions as columns of text.

    Vectors come as lists: how long they are differs between runs of two models and of three. Logits that were stored
    as float16 come as float32, beside others.

    Objects that are damaged are left out, each with a line in the log (see `sound_keys`).

    Args:
        table: `results`, `outputs`, `coefficients`, `mixtures`, `components`, `bins` or
            `predictions`.
        store: a store or its address.

    Raises:
        KeyError: the table is not one of these.
        ObjectMissing: nothing of it has been committed yet.
        StorageError: none of its objects is sound; the error is the first one's.
    """
    if table not in TABLES:
        raise KeyError(f"no table {table!r}; there are {', '.join(TABLES)}")
    opened = store if isinstance(store, Store) else Store(store)
    sound = sound_keys(opened, table)
    if not sound:
        raise ObjectMissing(f"{opened.address(table)}: nothing has been committed there yet")
    return scan_objects(opened, TABLES[table], sound)


def sound_keys(store: Store, prefix: str) -> list[str]:
    """Return the keys of the sound objects below a prefix, sorted; each of the others is a line in the log.

    Results are held against their SHA-256; of other tables, which a scan may not even read, the sizes are compared.

    Raises:
        StorageError: there are objects and none is sound; the error is the first one's.
    """
    is_results = prefix.partition("/")[0] == "results"
    wanted = keys.is_results if is_results else keys.is_table  # a stray manifest of anything else is no damage
    found = {key: e for key, e in states(store, prefix, contents=is_results).items() if wanted(key)}
    faults = {key: error for key, error in found.items() if error is not None}
    if faults and len(faults) == len(found):
        raise next(iter(faults.values()))
    for error in faults.values():
        log.warning("left out: %s", error)
    return [key for key in found if key not in faults]


def scan_objects(store: Store, table: TableSchema, chosen: Sequence[str]) -> pl.LazyFrame:
    """Return objects of a table, one at least, as `scan` does; which they are is for the caller to say."""
    by_width: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for _, mine in groupby(chosen, key=_folder):
        own = list(mine)
        by_width.setdefault(_widths(store, own[0], table), []).extend(own)
    parts = [_scan_alike(store, own) for own in by_width.values()]
    lists = [pl.col(name).arr.to_list().cast(pl.List(_POLARS[str(kind)])) for name, kind in table.vectors.items()]
    return pl.concat([part.with_columns(lists) for part in parts])


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


def _widths(store: Store, key: str, table: TableSchema) -> tuple[tuple[str, int], ...]:
    """Of what, and how long, an object's vectors are; all objects of a folder have the same."""
    if not table.vectors:
        return ()
    with store.open(key) as file:
        schema = pq.read_schema(file)
    types = [schema.field(name).type for name in table.vectors]
    return tuple((str(kind.value_type), kind.list_size) for kind in types)


def _scan_alike(store: Store, own: list[str]) -> pl.LazyFrame:
    """Scan objects whose vectors are of the same widths."""
    if store.scheme == "memory":
        return pl.concat([_from_memory(store, key) for key in own])
    # digests are text, whatever they look like: without this one of decimal digits alone would turn into a number
    partitions = {name: pl.String for name, _ in _partitions(own[0])}
    return pl.scan_parquet(
        [store.address(key).removeprefix("file://") for key in own],
        glob=False,  # addresses may hold characters that mean something in patterns
        hive_partitioning=True,
        hive_schema=partitions,
        storage_options=_storage_options() if store.scheme == "s3" else None,
    )


def _partitions(key: str) -> list[tuple[str, str]]:
    parts = [part.split("=", 1) for part in key.split("/")[:-1] if "=" in part]
    return [(name, value) for name, value in parts]


def _from_memory(store: Store, key: str) -> pl.LazyFrame:
    frame = pl.read_parquet(BytesIO(store.read(key)))
    return frame.with_columns(pl.lit(value).alias(name) for name, value in _partitions(key)).lazy()


def _storage_options() -> dict[str, str]:
    """What polars' own S3 reader does not take from the AWS variables by itself: a plain-http endpoint."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    options = {"aws_region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    if endpoint:
        options["aws_endpoint_url"] = endpoint
    if endpoint.startswith("http://"):
        options["aws_allow_http"] = "true"
    return options
