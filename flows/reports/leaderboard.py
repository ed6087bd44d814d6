"""Leaderboard: every run of an experiment, a row a checkpoint and method, in the order in which they came."""

import polars as pl

from flows.errors import ExperimentError
from storage import keys
from storage.pointers import experiments
from storage.scan import scan_objects, sound_keys
from storage.schemas import RESULTS
from storage.store import Store


def leaderboard(store: Store, experiment: str | None = None) -> pl.DataFrame:
    """Return one row a checkpoint and method: when, its top-1 accuracies (%) by data set, and their means by group.

    Raises:
        ExperimentError: there are no results, or none of the experiment.
        StorageError: all of them are damaged; a damaged one among others is a line in the log.
    """
    there = experiments(store)
    if not there or (experiment is not None and experiment not in there):
        raise ExperimentError(f"no results of {experiment or 'any experiment'} in {store.url}; there are {there}")
    prefix = "results" if experiment is None else keys.runs(experiment)
    rows = scan_objects(store, RESULTS, sound_keys(store, prefix)).filter(pl.col("metric") == "top1")
    named = rows.with_columns(
        checkpoint=pl.col("checkpoints")
        .list.slice(1)
        .list.eval(pl.element().str.split("/").list.last())
        .list.join(" + "),
        value=pl.col("value") * 100,
        at=pl.col("created_at").min().over("experiment", "run_id"),
    ).collect()
    by = ["at", "experiment", "checkpoint", "method", "run_id"]
    wide = named.pivot("dataset", index=by, values="value", aggregate_function="first", maintain_order=True)
    means = named.group_by(*by, "group").agg(pl.col("value").mean())
    groups = means.pivot("group", index=by, values="value", aggregate_function="first")
    renamed = {name: f"mean {name}" for name in groups.columns if name not in by}
    joined = wide.join(groups.rename(renamed), on=by, how="left").sort("at", "run_id", maintain_order=True)
    return joined.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M")).drop("run_id")
