"""Whole runs of an experiment, and what they left in the store."""

import asyncio
from pathlib import Path

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.written_plan import write_plan
from flows.reports.tables import results_of
from flows.run_experiment import run_experiment
from storage.store import Store


def run(file, store, *overrides):
    """Run an experiment through its flows; return its result rows."""
    record = asyncio.run(run_experiment(load_experiment(str(file), overrides), str(store)))
    return results_of(Store(str(store)), record.experiment, record.run_id)


def run_in_shards(file, store, shard, *overrides):
    """Run an experiment whose tables have `shard` samples per object; return its result rows."""
    experiment, opened = load_experiment(str(file), overrides), Store(str(store))
    plan = write_plan(checked_plan(experiment, opened, shard=shard))
    record = asyncio.run(run_experiment(experiment, opened.url, plan))
    return results_of(opened, record.experiment, record.run_id)


def planned(file, store, *overrides):
    """Write the plan of an experiment into a store, as a run that begins does; return its key."""
    return write_plan(checked_plan(load_experiment(str(file), overrides), Store(str(store))))


def table(rows):
    """Return values by method, data set and metric."""
    return {(r["method"], r["dataset"], r["metric"]): r["value"] for r in rows.iter_rows(named=True)}


def written(store):
    """Return every table object and the time when it was written; the catalogue, a view of them, is left out."""
    folder = Path(store)
    found = {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}
    return {key: time for key, time in found.items() if not key.startswith("catalogue/")}
