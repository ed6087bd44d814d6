"""The leaderboard: all runs of an experiment in order of time, one row for each checkpoint and method."""

import polars as pl

from flows.reports.result_models import LeaderboardDocument, LeaderboardRow
from flows.reports.tables import IS_MEAN, experiments_with_results
from storage import keys
from storage.scan import scan_objects, sound_keys
from storage.schemas import RESULTS
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
    experiments_with_results(store, experiment)
    rows = []
    for (at, name, checkpoint, method, run_id), mine in top1_rows(store, experiment).group_by(_BY, maintain_order=True):
        means, own = mine.filter(IS_MEAN), mine.filter(~IS_MEAN)
        rows.append(
            LeaderboardRow(
                at=at,
                experiment=name,
                run_id=run_id,
                checkpoint=checkpoint,
                method=method,
                datasets=dict(own.select("dataset", "value").iter_rows()),
                groups=dict(means.select("group", "value").iter_rows()),
            )
        )
    return LeaderboardDocument(sorted(rows, key=lambda row: (row.at, row.run_id)))


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
    experiments_with_results(store, experiment)
    named, by = top1_rows(store, experiment), _BY
    wide = named.pivot("dataset", index=by, values="value", aggregate_function="first", maintain_order=True)
    order = sorted((name for name in wide.columns if name not in by), key=is_mean)
    joined = wide.select(*by, *(pl.col(name).alias(name.replace("/", " ")) for name in order))
    joined = joined.sort("at", "run_id", maintain_order=True)
    return joined.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M")).drop("run_id")


def top1_rows(store: Store, experiment: str | None) -> pl.DataFrame:
    """Return the top-1 rows of all runs, with the names of their checkpoints and the time of their run.

    Args:
        store: the store.
        experiment: name of an experiment; None: all.

    Returns:
        The columns of results with `value`, `ci_low` and `ci_high` in percent, and two more: `checkpoint` (file names
        of the fine-tuned checkpoints) and `at` (time of the run, UTC).

    Raises:
        StorageError: all results are damaged.
    """
    prefix = "results" if experiment is None else keys.runs(experiment)
    rows = scan_objects(store, RESULTS, sound_keys(store, prefix)).filter(pl.col("metric") == "top1")
    return rows.with_columns(
        checkpoint=pl.col("checkpoints")
        .list.slice(1)
        .list.eval(pl.element().str.split("/").list.last())
        .list.join(" + "),
        at=pl.col("created_at").min().over("experiment", "run_id"),
        value=pl.col("value") * 100,
        ci_low=pl.col("ci_low") * 100,
        ci_high=pl.col("ci_high") * 100,
    ).collect()
