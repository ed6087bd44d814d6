"""Parts of the catalogue: written once as Parquet, read whole and verified, or scanned."""

import hashlib
import logging
from collections.abc import Sequence
from io import BytesIO

import polars as pl

from storage import keys
from storage.catalogue.layout import NEWEST, RUNS, Entry, Part, new_part_key
from storage.errors import damaged, first_line
from storage.parquet_files import collected, scan_files
from storage.store import Store

log = logging.getLogger("dawin.storage")

_ROWS = 16_384  # of a row group

RUN = ["experiment", "run_id"]
"""The columns that name a run."""
TOP1 = ["method", "dataset", "group", "datasets", "metric", "value", "ci_low", "ci_high", "samples", "uses_labels"]
TOP1 += ["dataset_digest", "note", "models", "weights", "checkpoints", "created_at", *RUN]
"""The columns of results that a leaderboard reads."""


def entries_frame(entries: Sequence[Entry]) -> pl.DataFrame:
    """Return entries as a table of runs."""
    return pl.DataFrame(list(entries), schema=dict(RUNS))


def write_part(store: Store, number: int, kind: str, frame: pl.DataFrame, runs: int) -> Part:
    """Write a new part.

    Args:
        store: the store that gets the part.
        number: of the version that shall name it.
        kind: `recent`, `segment`, `runs` or `newest`.
        frame: the rows.
        runs: the number of runs in it.
    """
    sink = BytesIO()
    frame.write_parquet(sink, compression="zstd", row_group_size=_ROWS, statistics=True)
    content = sink.getvalue()
    part = Part(new_part_key(number, kind), len(content), hashlib.sha256(content).hexdigest(), runs)
    store.replace(part.key, content)
    return part


def write_segment(store: Store, number: int, rows: pl.DataFrame) -> Part:
    """Write a segment: the top-1 rows first, so that a leaderboard skips the row groups of the others."""
    ordered = rows.sort(pl.col("metric") != "top1", maintain_order=True)
    return write_part(store, number, "segment", ordered, rows.select(RUN).unique().height)


def read_part(store: Store, part: Part, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the rows of a part, which one request reads.

    Args:
        store: holds the part.
        part: as a version names it.
        columns: the columns to decode; None: all.

    Raises:
        ObjectMissing: a later version has replaced the part, and it was deleted.
        ObjectDamaged: the bytes are others than those written.
    """
    content, where = store.read(part.key), store.address(part.key)
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise damaged(where, f"wanted SHA-256 {part.sha256[:12]}…, got others")
    try:
        return pl.read_parquet(BytesIO(content), columns=list(columns) if columns else None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(where, f"not readable as Parquet ({first_line(error)})") from error


def scan_parts(store: Store, parts: Sequence[Part]) -> pl.LazyFrame:
    """Return the rows of several parts, of which polars reads only the columns and row groups that are asked for.

    Args:
        store: holds the parts.
        parts: at least one.
    """
    return scan_files(store, [part.key for part in parts])


def newest_rows(store: Store, runs: pl.DataFrame, segments: Sequence[Part]) -> pl.DataFrame:
    """Return the top-1 rows of the newest runs of each experiment, for the part of that name.

    Args:
        store: holds the segments.
        runs: the runs in the segments.
        segments: the segments.
    """
    chosen = newest_runs(runs, NEWEST)
    wanted = {*chosen["part"].to_list()}
    mine = [part for part in segments if part.key in wanted]
    if not mine:
        return pl.DataFrame()
    rows = scan_parts(store, mine).filter(metric="top1").join(chosen.lazy().select(RUN), on=RUN, how="semi")
    return collected(store, rows.select(TOP1))


def newest_runs(runs: pl.DataFrame, count: int | None) -> pl.DataFrame:
    """Return the newest runs of each experiment that have accuracies, the oldest run first.

    Args:
        runs: a table of runs.
        count: the most runs of each experiment; None: all.
    """
    found = runs.filter(pl.col("ranked").list.len() > 0).sort("at", "run_id")
    return found if count is None else found.group_by("experiment", maintain_order=True).tail(count)


def run_rows(content: bytes, key: str) -> pl.DataFrame:
    """Return the rows of a run's own results, with its experiment and run as columns.

    Args:
        content: the bytes of the object.
        key: its key.
    """
    frame = pl.read_parquet(BytesIO(content))
    return frame.with_columns(
        experiment=pl.lit(keys.experiment_of(key), pl.String), run_id=pl.lit(keys.run_of(key), pl.String)
    )
