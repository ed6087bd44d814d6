"""The files of all runs of a local store, compared with the catalogue: microseconds a run, and no file is opened."""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from storage import keys
from storage.store import Store

_EXPERIMENT, _RUN = "experiment=", "run_id="


def changed_runs(store: Store, runs: pl.DataFrame, experiment: str | None) -> tuple[list[str], list[str]]:
    """Return the runs of a local store that are not as the catalogue says.

    Args:
        store: the store.
        runs: the table of runs.
        experiment: the only experiment to look at; None: all.

    Returns:
        The keys of the results of runs that are new or have changed, and of those that exist no more.
    """
    columns = ("bytes", "object_time", "manifest_time", "experiment", "run_id")
    known = {row[3:]: row[:3] for row in runs.select(columns).iter_rows()}
    changed = list[str]()
    for name, run_id, folder in _folders(Path(store.address("results").removeprefix("file://")), experiment):
        try:
            manifest = os.stat(f"{folder}/results.parquet{keys.MANIFEST_SUFFIX}")
        except OSError:
            continue  # not committed
        wanted = known.pop((name, run_id), None)
        if wanted is None or wanted != (*_object(f"{folder}/results.parquet"), manifest.st_mtime_ns):
            changed.append(keys.results(name, run_id))
    return changed, [keys.results(*run) for run in known]


def _folders(root: Path, experiment: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield experiment, run and folder of all runs; names only, which is why no manifest is promised."""
    for place in [f"{_EXPERIMENT}{experiment}"] if experiment else _names(f"{root}", _EXPERIMENT):
        folder = f"{root}/{place}"
        for name in _names(folder, _RUN):
            yield place.removeprefix(_EXPERIMENT), name.removeprefix(_RUN), f"{folder}/{name}"


def _names(folder: str, start: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(start)]
    except OSError:
        return []


def _object(path: str) -> tuple[int | None, int]:
    try:
        found = os.stat(path)
    except OSError:
        return None, 0
    return found.st_size, found.st_mtime_ns
