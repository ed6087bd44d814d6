"""Upkeep of the catalogue: compare it with the manifests, make it anew, and take deleted runs out."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from storage import keys
from storage.catalogue.entries import found_run, key_of
from storage.catalogue.folding import build, finished, with_runs, without_runs
from storage.catalogue.layout import FOLDER, KEPT, Version
from storage.catalogue.notes import is_old, noted, remove
from storage.catalogue.parts import RUN, entries_frame, read_part, write_part
from storage.catalogue.reading import look
from storage.catalogue.versions import TRIES, Present, discard, present, publish
from storage.errors import ObjectDamaged, ObjectMissing, StorageError
from storage.manifests import Manifest, committed
from storage.soundness import manifests
from storage.store import Store

_REMEDY = "`dawin store verify --repair` builds the catalogue again"


def runs(store: Store) -> pl.DataFrame:
    """Return all committed runs of a store, by experiment, time and run, without a listing of its results.

    Args:
        store: the store.

    Returns:
        One row for each run, with the columns of `storage.catalogue.layout.RUNS`; a run that is not sound has a
        `fault`.

    Raises:
        StorageError: the store cannot be read.
    """
    return look(store).every


def rebuild(store: Store) -> int:
    """Make the catalogue anew from all manifests and results of a store; return the number of its runs.

    Other processes may read it and commit runs meanwhile.

    Args:
        store: the store.

    Raises:
        StorageError: the store cannot be written, or other writers keep coming first.
    """
    for _ in range(TRIES):
        start = present(store)
        built = build(store, start.number + 1, filter(keys.is_results, committed(store, "results")))
        if _published(store, start, built):
            now = datetime.now(UTC)
            remove(store, [one for own in noted(start.listing).values() for one in own if is_old(one, now)])
            return built.runs.runs if built.runs else 0
        discard(store, start.version, built)
    raise _too_busy(store)


def _published(store: Store, start: Present, built: Version) -> bool:
    """Publish what was built, with the runs that others have committed since; return whether that was possible."""
    while True:
        base = present(store)
        # old parts that no version names are deleted, and runs may have gone to segments
        moved = base.version and start.version and base.version.runs != start.version.runs
        if moved or base.number > start.number + KEPT // 2:
            return False
        before, after = (one.version.entries if one.version else () for one in (start, base))
        fresh = [key_of(entry) for entry in after if entry not in before]
        new = {key: found for key in fresh if (found := found_run(store, key))}
        made = replace(built, number=base.number + 1, retired=base.version.retired if base.version else ())
        version = with_runs(store, replace(made, number=base.number), new) if new else made
        if publish(store, base, version):
            return True
        discard(store, made, version)


def forget(store: Store, gone: Collection[tuple[str, str]]) -> int:
    """Take runs out of the catalogue whose manifests were deleted; return their number.

    A run whose manifest exists, because another process has computed it again, stays. Callers delete manifests first,
    and call this once for all of them.

    Args:
        store: the store.
        gone: experiment and run of each.

    Raises:
        StorageError: the store cannot be written, or other writers keep coming first.
    """
    for _ in range(TRIES):
        base = present(store)
        if base.version is None:
            return 0
        existing = {*committed(store, "results")}
        absent = [run for run in gone if keys.results(*run) not in existing]
        names = pl.DataFrame(absent, schema=dict.fromkeys(RUN, pl.String), orient="row")
        try:
            version, count = _without(store, base.version, names)
        except ObjectMissing:  # a part: later versions have replaced this one
            continue
        if not count or publish(store, base, version):
            return count
        discard(store, base.version, version)
    raise _too_busy(store)


def _without(store: Store, version: Version, names: pl.DataFrame) -> tuple[Version, int]:
    """Return the next version without some runs, and how many of them the present one has."""
    number, gone = version.number + 1, {keys.results(*run) for run in names.iter_rows()}
    every = read_part(store, version.runs) if version.runs else entries_frame([])
    entries = [entry for entry in version.entries if key_of(entry) not in gone]
    there = every.join(names, on=RUN, how="semi")
    count = len({key_of(one) for one in [*there.iter_rows(named=True), *version.entries]} & gone)
    if not count:
        return version, 0
    made = replace(version, number=number, entries=entries)
    if len(entries) < len(version.entries) and version.recent:
        rows = read_part(store, version.recent).join(names, on=RUN, how="anti")
        made = replace(made, recent=write_part(store, number, "recent", rows, len(entries)) if len(rows) else None)
    if there.height:
        segments, moved = without_runs(store, number, version.segments, there)
        left = every.join(names, on=RUN, how="anti")
        left = left.with_columns(pl.col("part").replace(list(moved), list(moved.values()))) if moved else left
        main = finished(store, number, segments, left)
        made = replace(made, segments=main.segments, runs=main.runs, newest=main.newest)
    return made, count


def faults(store: Store) -> list[str]:
    """Return where the catalogue differs from the manifests, one line each, without correcting anything.

    Args:
        store: the store.

    Raises:
        StorageError: the store cannot be read.
    """
    base, found = present(store), manifests(store, "results")
    wanted = {key: manifest for key, manifest in found.items() if keys.is_results(key)}
    where, notes = store.address(FOLDER), noted(base.listing)
    if base.version is None:
        state = "damaged, or of another dawin" if base.number else "missing"
        is_wrong = base.number or wanted.keys() - notes.keys()  # the writer of a note, or the next one, makes it
        return [f"{where}: {state}, with {len(wanted):,} runs in the store; {_REMEDY}"] if is_wrong else []
    try:
        for part in base.version.parts():
            read_part(store, part)
        runs = read_part(store, base.version.runs) if base.version.runs else entries_frame([])
    except (ObjectDamaged, ObjectMissing) as error:
        return [f"{where}: {error}; {_REMEDY}"]
    now = datetime.now(UTC)
    known = {key_of(entry): entry for entry in [*runs.iter_rows(named=True), *base.version.entries]}
    left = [one for own in notes.values() for one in own if is_old(one, now)]
    return [
        *_differences(store, wanted, {key: entry["sha256"] for key, entry in known.items()}, notes),
        *(f"{store.address(key)}: left by a process that was killed; the next run removes it" for key in left),
    ]


def _differences(
    store: Store, wanted: dict[str, Manifest], known: dict[str, str], notes: Collection[str]
) -> Iterator[str]:
    for key in [*wanted, *(key for key in known if key not in wanted)]:
        if key in notes:  # its writer, or the next one, brings it in
            continue
        if key not in known:
            yield f"{store.address(key)}: not in the catalogue; {_REMEDY}"
        elif key not in wanted and known[key] is not None:
            yield f"{store.address(key)}: in the catalogue, and not in the store; {_REMEDY}"
        elif key in wanted and known[key] != wanted[key].sha256:
            yield f"{store.address(key)}: the catalogue has an earlier state of it; {_REMEDY}"


def _too_busy(store: Store) -> StorageError:
    return StorageError(f"{store.url}: other writers of the catalogue kept coming first; try again later")
