"""Parquet objects as polars frames: scanned lazily on each back end, with their partitions as columns of text."""

import os
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import polars as pl

from storage.filesystem import readable_errors
from storage.store import Store


def scan_files(store: Store, chosen: Sequence[str], schema: pl.Schema | None = None) -> pl.LazyFrame:
    """Return Parquet objects as one polars `LazyFrame`.

    Args:
        store: the store that holds the objects.
        chosen: the keys of the objects, of one kind of folder; at least one.
        schema: the columns of the frame, so that no object is opened before rows are collected: a column that an object
            does not have is null, and its other columns are left out. None: all objects have the columns of the first.
    """
    if store.scheme == "memory":
        return pl.concat([_from_memory(store, key, schema) for key in chosen])
    # digests are text: polars would turn one of decimal digits alone into a number
    partitions = {name: pl.String for name, _ in _partitions(chosen[0])}
    options: dict[str, Any] = {}
    if schema is not None:
        options = {
            "schema": schema,
            "cast_options": pl.ScanCastOptions(float_cast="upcast"),  # logits that are stored as float16
            "missing_columns": "insert",
            "extra_columns": "ignore",
        }
    return pl.scan_parquet(
        [store.address(key).removeprefix("file://") for key in chosen],
        glob=False,  # an address may contain characters that patterns give a meaning to
        hive_partitioning=bool(partitions),
        hive_schema=partitions or None,
        storage_options=_storage_options() if store.scheme == "s3" else None,
        **options,
    )


def collected(store: Store, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the rows of a `LazyFrame` over objects of a store.

    Args:
        store: the store that holds the objects.
        rows: from `scan_files`.

    Raises:
        StorageError: polars' own S3 reader has given a request up; its errors name no store.
    """
    with readable_errors(store.url):
        return rows.collect()


def _partitions(key: str) -> list[tuple[str, str]]:
    parts = [part.split("=", 1) for part in key.split("/")[:-1] if "=" in part]
    return [(name, value) for name, value in parts]


def _from_memory(store: Store, key: str, schema: pl.Schema | None) -> pl.LazyFrame:
    frame = pl.read_parquet(BytesIO(store.read(key)))
    if schema is not None:
        frame = frame.select(
            pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
            for name, kind in schema.items()
        )
    return frame.with_columns(pl.lit(value).alias(name) for name, value in _partitions(key)).lazy()


def _storage_options() -> dict[str, Any]:
    """Return the options of polars' own S3 reader, which by itself takes no endpoint from the AWS variables.

    It repeats requests, answers that break off included, but waits for ever for a server that is silent. It asks a
    server that fails twice over, so that it gives up after 40 seconds at most.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    options: dict[str, Any] = {
        "connect_timeout": "5s",
        "read_timeout": "10s",
        "max_retries": 20,
        "retry_timeout_ms": 15_000,
        "retry_max_backoff_ms": 3_000,
    }
    options["aws_region"] = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if endpoint:
        options["aws_endpoint_url"] = endpoint
    if endpoint.startswith("http://"):
        options["aws_allow_http"] = "true"
    return options
