"""The leaderboard: all runs of an experiment in order of time, one row for each checkpoint and method."""

import polars as pl

from flows.reports.result_models import LeaderboardDocument, LeaderboardRow
from flows.reports.tables import IS_MEAN, refuse_unknown
from storage.catalogue.reading import Look, Rows, look
from storage.store import Store
from tasks.references.results import is_mean

_BY = ["at", "experiment", "checkpoint", "method", "run_id"]


def leaderboard_document(store: Store, experiment: str | None = None) -> LeaderboardDocument:
    """Return the leaderboard for programs: accuracies by data set, and their means by group.

    Args:
        store: the store.
        experiment: name of an experiment; None: all.

    Raises:
        ExperimentError, StorageError: as `leaderboard`.
    """
    named = top1_rows(runs_of(store, experiment, Rows.ALL))
    values = {
        "datasets": pl.struct("dataset", "value").filter(~IS_MEAN),
        "groups": pl.struct(pl.col("group").alias("dataset"), "value").filter(IS_MEAN),
    }
    found = named.group_by(_BY, maintain_order=True).agg(**values).sort("at", "run_id", maintain_order=True)
    rows = [
        LeaderboardRow(**row | {name: {one["dataset"]: one["value"] for one in row[name]} for name in values})
        for row in found.iter_rows(named=True)
    ]
    return LeaderboardDocument(rows)


def leaderboard(store: Store, experiment: str | None = None) -> pl.DataFrame:
    """Return the top-1 accuracies (%) of every run: one row for each checkpoint and method.

    Args:
        store: the store.
        experiment: name of an experiment; None: all.

    Returns:
        Columns `at` (time of the run, UTC), `experiment`, `checkpoint`, `method`, one for each data set and
        `mean <group>` for each group.

    Raises:
        ExperimentError: the store has no results of the experiment; the message lists those that it has.
        StorageError: all results are damaged; if only some are, they are warnings in the log.
    """
    named, by = top1_rows(runs_of(store, experiment, Rows.ALL)), _BY
    wide = named.pivot("dataset", index=by, values="value", aggregate_function="first", maintain_order=True)
    order = sorted((name for name in wide.columns if name not in by), key=is_mean)
    joined = wide.select(*by, *(pl.col(name).alias(name.replace("/", " ")) for name in order))
    joined = joined.sort("at", "run_id", maintain_order=True)
    return joined.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M")).drop("run_id")


def runs_of(store: Store, experiment: str | None, rows: Rows) -> Look:
    """Return a look at the runs of a store that has any.

    Args:
        store: the store.
        experiment: name of the only experiment; None: all.
        rows: the rows that the caller will ask for.

    Raises:
        ExperimentError: the store has no results of the experiment; the message lists those that it has.
    """
    seen = look(store, experiment, rows)
    if seen.every.is_empty():
        refuse_unknown(store, experiment)
    return seen


def top1_rows(seen: Look, newest: int | None = None) -> pl.DataFrame:
    """Return top-1 rows of runs, with the names of their checkpoints and the time of their run.

    Args:
        seen: the runs.
        newest: the most runs of each experiment, the newest ones; None: all.

    Returns:
        The columns of results that leaderboards show, with `value`, `ci_low` and `ci_high` in percent, and two more:
        `checkpoint` (file names of the fine-tuned checkpoints) and `at` (time of the run, UTC).

    Raises:
        StorageError: all results are damaged; if only some are, they are warnings in the log.
    """
    rows = seen.newest_top1(newest).lazy()
    named = rows.with_columns(
        checkpoint=pl.col("checkpoints")
        .list.slice(1)
        .list.eval(pl.element().str.split("/").list.last())
        .list.join(" + "),
        at=pl.col("created_at").min().over("experiment", "run_id"),
        value=pl.col("value") * 100,
        ci_low=pl.col("ci_low") * 100,
        ci_high=pl.col("ci_high") * 100,
    )
    return named.drop("checkpoints", "created_at").collect()
