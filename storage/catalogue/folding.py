"""Fold runs into the catalogue: a new version with their rows in its recent part, or in its segments."""

import random
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from storage.catalogue.entries import Found, found_run, key_of
from storage.catalogue.layout import RECENT, SEGMENT, Entry, Part, Version
from storage.catalogue.notes import is_old, noted, remove
from storage.catalogue.parts import (
    RUN,
    entries_frame,
    newest_rows,
    read_part,
    scan_parts,
    write_part,
    write_segment,
)
from storage.catalogue.versions import TRIES, Present, discard, present, publish, warn_damaged
from storage.errors import ObjectDamaged, ObjectMissing, StorageError
from storage.keys import is_results
from storage.manifests import committed
from storage.open_looks import look_again
from storage.parquet_files import collected
from storage.store import Store

_SMALL = 8  # segments below the full size that become one


def fold(store: Store, keys: Collection[str]) -> None:
    """Bring runs into the catalogue as their manifests are now, with all runs whose writers have left a note.

    Of several writers at this moment one succeeds at a time, with the runs of all whose manifests exist; the others
    then find nothing left to do. A store without a sound catalogue gets one of all its runs.

    Args:
        store: the store.
        keys: of the runs' results.

    Raises:
        StorageError: the store cannot be written, or other writers keep coming first.
    """
    for attempt in range(TRIES):
        base = present(store)
        if _is_done(store, base, keys):
            return
        look_again(store.url)  # another process was first, which an open look at the store does not show
        time.sleep(random.uniform(0, 0.02) * min(attempt, 10))
    raise StorageError(f"{store.url}: other writers of the catalogue kept coming first; the results are committed")


def _is_done(store: Store, base: Present, keys: Collection[str]) -> bool:
    """Try once to publish a version with the runs; return whether the catalogue has them."""
    notes = noted(base.listing)
    version: Version | None = None
    try:
        if base.version is None:
            version = build(store, base.number + 1, filter(is_results, committed(store, "results")))
        else:
            new = _new(store, base.version, [*keys, *notes])
            version = with_runs(store, base.version, new) if new else None
        if version and not publish(store, base, version):
            discard(store, base.version, version)
            return False
    except ObjectMissing:  # a part: later versions have replaced this one
        return False
    except ObjectDamaged as error:
        if base.version is None or not error.args[0].startswith(store.address("catalogue/")):
            raise
        warn_damaged(error)
        return _is_done(store, replace(base, version=None), keys)
    now = datetime.now(UTC)
    remove(store, [one for key, own in notes.items() if key not in keys for one in own if is_old(one, now)])
    return True


def _new(store: Store, version: Version, keys: Iterable[str]) -> dict[str, Found]:
    """Return the runs that the recent part does not hold as they are now."""
    known = {key_of(entry): entry for entry in version.entries}
    found = {key: found_run(store, key) for key in dict.fromkeys(keys)}
    return {
        key: one
        for key, one in found.items()
        if one and (key not in known or any(known[key][n] != one[0][n] for n in ("sha256", "fault", "created_at")))
    }


def with_runs(store: Store, version: Version, new: Mapping[str, Found]) -> Version:
    """Return the next version with further runs; a run that is in the catalogue already is replaced.

    Args:
        store: the store, which gets the parts.
        version: the present version.
        new: entries and rows by the key of the results; at least one.
    """
    number = version.number + 1
    kept = [entry for entry in version.entries if key_of(entry) not in new]
    entries = [*kept, *(entry for entry, _ in new.values())]
    rows = [rows for _, rows in new.values() if rows is not None]
    if version.recent:
        rows.insert(0, read_part(store, version.recent).join(entries_frame(kept), on=RUN, how="semi"))
    if len(entries) > RECENT:
        return _merged(store, version, entries, rows)
    recent = write_part(store, number, "recent", pl.concat(rows), len(entries)) if rows else None
    return replace(version, number=number, recent=recent, entries=entries)


def _merged(store: Store, version: Version, entries: Sequence[Entry], rows: Sequence[pl.DataFrame]) -> Version:
    """Return the next version with all recent runs in segments."""
    number, names = version.number + 1, entries_frame(entries)
    runs = read_part(store, version.runs) if version.runs else entries_frame([])
    replaced = runs.join(names, on=RUN, how="semi")
    segments, moved = without_runs(store, number, version.segments, replaced)
    parts = [write_segment(store, number, pl.concat(rows))] if rows else []
    names = names.with_columns(part=pl.lit(parts[0].key if parts else None, pl.String))
    runs = pl.concat([_moved(runs.join(names, on=RUN, how="anti"), moved), names])
    segments, moved = _joined(store, number, [*segments, *parts])
    return finished(store, number, segments, _moved(runs, moved), version)


def without_runs(
    store: Store, number: int, segments: Sequence[Part], gone: pl.DataFrame
) -> tuple[list[Part], dict[str, str | None]]:
    """Return segments without some runs, and the new key of each segment that had to be written again.

    Args:
        store: the store, which gets the new segments.
        number: of the version that shall name them.
        segments: the segments.
        gone: the runs, as entries of the table of runs.
    """
    affected, kept, moved = {*gone["part"].to_list()}, list[Part](), dict[str, str | None]()
    for part in segments:
        if part.key not in affected:
            kept.append(part)
            continue
        rows = read_part(store, part).join(gone, on=RUN, how="anti")
        new = None if rows.is_empty() else write_segment(store, number, rows)
        kept += [new] if new else []
        moved[part.key] = new.key if new else None
    return kept, moved


def _joined(store: Store, number: int, segments: Sequence[Part]) -> tuple[list[Part], dict[str, str | None]]:
    """Return segments of which enough small ones have become one, and the new key of each of these."""
    small = [part for part in segments if part.runs < SEGMENT // 2]
    if len(small) < _SMALL:
        return list(segments), {}
    new = write_segment(store, number, collected(store, scan_parts(store, small)))
    return [*(part for part in segments if part not in small), new], {part.key: new.key for part in small}


def _moved(runs: pl.DataFrame, moved: Mapping[str, str | None]) -> pl.DataFrame:
    if not moved:
        return runs
    return runs.with_columns(pl.col("part").replace(list(moved), list(moved.values())))


def finished(
    store: Store, number: int, segments: Sequence[Part], runs: pl.DataFrame, before: Version | None = None
) -> Version:
    """Return a version whose runs are all in segments.

    Args:
        store: the store, which gets the parts of runs and of newest rows.
        number: of the version.
        segments: the segments.
        runs: the table of runs.
        before: the version that it replaces; None: none that can be read.
    """
    newest = newest_rows(store, runs, segments)
    return Version(
        number=number,
        segments=segments,
        runs=write_part(store, number, "runs", runs.sort("experiment", "at", "run_id"), runs.height),
        newest=None if newest.is_empty() else write_part(store, number, "newest", newest, newest.height),
        retired=before.retired if before else (),
    )


def build(store: Store, number: int, keys: Iterable[str]) -> Version:
    """Return a version made from manifests and results alone.

    Args:
        store: the store.
        number: of the version.
        keys: of the results of all runs.
    """
    entries, rows, segments = list[Entry](), list[pl.DataFrame](), list[Part]()
    waiting = list[Entry]()

    def flush() -> None:
        part = write_segment(store, number, pl.concat(rows)) if rows else None
        segments.extend([part] if part else [])
        entries.extend({**entry, "part": part.key if part else None} for entry in waiting)
        rows.clear()
        waiting.clear()

    for key in keys:
        if found := found_run(store, key):
            waiting.append(found[0])
            rows.extend([] if found[1] is None else [found[1]])
        if len(waiting) >= SEGMENT:
            flush()
    flush()
    return finished(store, number, segments, entries_frame(entries))
