"""The files of all runs of a local store, compared with the catalogue: microseconds a run, and no file is opened."""

import os
from collections.abc import Iterator

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
    root = store.address("results").removeprefix("file://")
    for place in [f"{_EXPERIMENT}{experiment}"] if experiment else _names(root, _EXPERIMENT):
        name = place.removeprefix(_EXPERIMENT)
        for run_id, found in _runs_in(f"{root}/{place}"):
            if known.pop((name, run_id), None) != found:
                changed.append(keys.results(name, run_id))
    return changed, [keys.results(*run) for run in known]


def _runs_in(folder: str) -> Iterator[tuple[str, tuple[int | None, int, int]]]:
    """Yield the committed runs of an experiment, each with its size and the times of its object and manifest.

    Names are looked up from the folder's descriptor: the system walks down to it once, and not twice for each run.
    """
    names = _names(folder, _RUN)
    if not names:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for name in names:
            try:
                manifest = os.stat(f"{name}/results.parquet{keys.MANIFEST_SUFFIX}", dir_fd=descriptor)
            except OSError:
                continue  # not committed
            size, time = _object(f"{name}/results.parquet", descriptor)
            yield name.removeprefix(_RUN), (size, time, manifest.st_mtime_ns)
    finally:
        os.close(descriptor)


def _names(folder: str, start: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(start)]
    except OSError:
        return []


def _object(path: str, folder: int) -> tuple[int | None, int]:
    try:
        found = os.stat(path, dir_fd=folder)
    except OSError:
        return None, 0
    return found.st_size, found.st_mtime_ns
