"""One look at all runs of a store: which exist, which are sound, and their rows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import polars as pl

from storage import keys
from storage.catalogue.entries import found_run, key_of
from storage.catalogue.layout import NEWEST, RUNS, Entry, Part, Version
from storage.catalogue.local_runs import changed_runs
from storage.catalogue.notes import noted
from storage.catalogue.parts import RUN, TOP1, entries_frame, newest_runs, read_part, scan_parts
from storage.catalogue.versions import TRIES, Present, present, warn_damaged
from storage.errors import ObjectDamaged, ObjectMissing, ObjectOutdated, SchemaMismatch, StorageError
from storage.manifests import committed
from storage.parquet_files import collected, scan_files
from storage.schemas import RESULTS
from storage.store import Store

log = logging.getLogger("dawin.storage")

COLUMNS = [*(column.name for column in RESULTS.columns), *RUN]
"""The columns of results, as every frame of rows has them."""


class Rows(Enum):
    """The rows that a look shall be able to return."""

    NONE = "none"
    NEWEST = "the top-1 rows of the newest runs"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Look:
    """The runs of a store at one moment."""

    store: Store
    every: pl.DataFrame
    """All committed runs, also damaged ones, with the columns of `storage.catalogue.layout.RUNS`.

    A look that can return rows has neither `methods` nor `datasets`.
    """
    _segments: Sequence[Part] = ()
    _recent: pl.DataFrame = field(default_factory=pl.DataFrame)
    _newest: pl.DataFrame = field(default_factory=pl.DataFrame)
    _loose: frozenset[str] = frozenset()
    """Keys of the results that are read from the runs themselves."""

    @property
    def runs(self) -> pl.DataFrame:
        """The sound runs, by experiment, time and run."""
        return self.every.filter(pl.col("fault").is_null())

    @property
    def faults(self) -> list[StorageError]:
        """The faults of the other runs."""
        return [_error(entry) for entry in self.every.filter(pl.col("fault").is_not_null()).iter_rows(named=True)]

    def sound(self) -> pl.DataFrame:
        """Return the sound runs, and log a line for each damaged one, and one line for all of an earlier version.

        Raises:
            StorageError: runs exist and none is sound; this is the first one's error.
        """
        faults, runs = self.faults, self.runs
        if faults and runs.is_empty():
            raise faults[0]
        warn_left_out(faults)
        return runs

    def rows(self, runs: pl.DataFrame) -> pl.LazyFrame:
        """Return all rows of some of the sound runs.

        Args:
            runs: rows of `runs`; at least one.
        """
        lazy = list[pl.LazyFrame]()
        in_segments = runs.filter(pl.col("part").is_not_null())
        wanted = {*in_segments["part"].unique()}
        if segments := [part for part in self._segments if part.key in wanted]:
            found = scan_parts(self.store, segments).select(COLUMNS)
            whole = sum(part.runs for part in segments) == in_segments.height
            lazy.append(found if whole else found.join(in_segments.lazy().select(RUN), on=RUN, how="semi"))
        loose, recent = self._apart(runs)
        if not recent.is_empty() and not self._recent.is_empty():
            lazy.append(self._recent.lazy().select(COLUMNS).join(recent.lazy(), on=RUN, how="semi"))
        if loose:
            lazy.append(scan_files(self.store, loose).select(COLUMNS))
        return pl.concat(lazy) if lazy else pl.LazyFrame(schema=_schema())

    def newest_top1(self, count: int | None = NEWEST) -> pl.DataFrame:
        """Return the top-1 rows of the newest runs of each experiment.

        Args:
            count: the most runs of each experiment; None: all.
        """
        chosen = newest_runs(self.sound(), count)
        if chosen.is_empty():
            return pl.DataFrame(schema=_schema()).select(TOP1)
        near = chosen.clear()
        if not self._newest.is_empty():
            near = chosen.filter(pl.col("part").is_not_null()).join(self._newest, on=RUN, how="semi")
        far = chosen.join(near, on=RUN, how="anti")
        parts = [self._newest.join(near, on=RUN, how="semi").select(TOP1)] if near.height else []
        parts += [collected(self.store, self.rows(far).filter(metric="top1").select(TOP1))] if far.height else []
        return pl.concat(parts)

    def _apart(self, runs: pl.DataFrame) -> tuple[list[str], pl.DataFrame]:
        """Return the keys of runs that are read from their own results, and the runs in the recent part."""
        names = runs.filter(pl.col("part").is_null()).select(RUN)
        is_loose = [key_of(run) in self._loose for run in names.iter_rows(named=True)]
        flags = pl.Series(is_loose, dtype=pl.Boolean)
        return [key_of(run) for run in names.filter(flags).iter_rows(named=True)], names.filter(~flags)


def look(store: Store, experiment: str | None = None, rows: Rows = Rows.NONE) -> Look:
    """Return the runs of a store as they are now.

    This costs one listing of the catalogue, one request for each of at most four of its objects, and one or two for
    each run that a writer has noted as pending. A store without a catalogue is listed, and each run opened.

    Args:
        store: the store.
        experiment: the only experiment to look at; None: all.
        rows: the rows that the caller will ask for.

    Raises:
        StorageError: the store cannot be read.
    """
    for _ in range(TRIES):
        now = present(store)
        try:
            return _seen(store, now, experiment, rows)
        except ObjectMissing:  # a part: later versions have replaced this one
            continue
        except ObjectDamaged as error:
            warn_damaged(error)
            return _seen(store, Present(now.listing, now.number, None), experiment, rows)
    raise StorageError(f"{store.url}: the parts of its catalogue vanish as fast as they are listed")


def _seen(store: Store, now: Present, experiment: str | None, rows: Rows) -> Look:
    version = now.version
    if version is None:
        prefix = keys.runs(experiment) if experiment else "results"
        found = list(filter(keys.is_results, committed(store, prefix)))
        return _with_own(store, entries_frame([]), found, [], None)
    columns = [name for name in RUNS if rows is Rows.NONE or name not in ("methods", "datasets")]
    runs = read_part(store, version.runs, columns) if version.runs else entries_frame([]).select(columns)
    if version.entries:
        recent = entries_frame(version.entries).select(columns)
        runs = pl.concat([runs.join(recent, on=RUN, how="anti"), recent])
    if experiment:
        runs = runs.filter(experiment=experiment)
    changed, gone = changed_runs(store, runs, experiment) if store.scheme == "file" else ([], [])
    pending = [key for key in noted(now.listing) if experiment in (None, keys.experiment_of(key))]
    own = changed if store.scheme == "file" else pending  # local files are compared, whether noted or not
    return _with_own(store, runs, own, gone, version if rows is not Rows.NONE else None, newest=rows is Rows.NEWEST)


def _with_own(
    store: Store,
    runs: pl.DataFrame,
    own: Sequence[str],
    gone: Sequence[str],
    version: Version | None,
    *,
    newest: bool = False,
) -> Look:
    """Return a look in which some runs are as their own manifests say, and others are gone."""
    found = {key: one[0] for key in own if (one := found_run(store, key))}
    if own or gone:
        without = entries_frame([_name(key) for key in {*own, *gone}])
        runs = runs.join(without, on=RUN, how="anti")
    if found:
        runs = pl.concat([runs, entries_frame(list(found.values())).select(runs.columns)])
    return Look(
        store=store,
        every=runs.sort("experiment", "at", "run_id"),
        _segments=version.segments if version else (),
        _recent=read_part(store, version.recent) if version and version.recent else pl.DataFrame(),
        _newest=read_part(store, version.newest) if newest and version and version.newest else pl.DataFrame(),
        _loose=frozenset(found),
    )


def _name(key: str) -> Mapping[str, str]:
    return {"experiment": keys.experiment_of(key), "run_id": keys.run_of(key)}


def _schema() -> Mapping[str, pl.DataType]:
    names: Mapping[str, pl.DataType] = pl.DataFrame(RESULTS.arrow({}).empty_table()).schema
    return {**names, **dict.fromkeys(RUN, pl.String())}


def warn_left_out(faults: Sequence[StorageError]) -> None:
    """Log a line for each damaged object, and one line for all those that an earlier version of this program wrote."""
    outdated = [error for error in faults if isinstance(error, ObjectOutdated)]
    for error in faults:
        if error not in outdated:
            log.warning("left out: %s", error)
    if outdated:
        others = f", and {len(outdated) - 1:,} more of an earlier version" if len(outdated) > 1 else ""
        log.warning("left out: %s%s", outdated[0], others)


def _error(entry: Entry) -> StorageError:
    """Return the error of a run that is not sound."""
    version = entry["version"] or RESULTS.version
    kind = ObjectOutdated if version < RESULTS.version else SchemaMismatch
    return (kind if version != RESULTS.version else ObjectDamaged)(entry["fault"])
