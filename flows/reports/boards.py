"""The leaderboard by experiment: runs in order of time, the base of each, and data sets that stay the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from flows.reports.leaderboard import top1_rows
from flows.reports.summary import summary_of
from flows.reports.tables import IS_MEAN, experiments_with_results
from storage.store import Store
from tasks.methods.registry import METHODS
from tasks.references.results import ALL, mean_name

NEW_FOR = timedelta(days=7)
"""A checkpoint is new if its first run lies within this time before the newest run."""


class Accuracy(NamedTuple):
    """A top-1 accuracy with its 95 % interval, percent."""

    value: float
    low: float | None
    high: float | None


class Place(NamedTuple):
    """A data set, or several of which the mean counts."""

    row: str
    """Its name in the column `dataset` of results."""
    title: str
    datasets: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class BoardRun:
    """One run: the evaluation of a checkpoint, or of several together, with every method."""

    run_id: str
    at: datetime
    checkpoint: str
    """File names of the fine-tuned checkpoints."""
    is_new: bool
    base: str
    """Name of the base model by itself among the methods."""
    datasets: Mapping[str, frozenset[str]]
    """The data sets of each value, by its name in the column `dataset`."""
    digests: Mapping[str, str]
    """The digest of each data set by its name."""
    accuracies: Mapping[tuple[str, str], Accuracy]
    """By method, and by name in the column `dataset`."""

    def of(self, method: str, place: Place) -> Accuracy | None:
        """Return the accuracy of a method at a place; None where the run has none."""
        return self.accuracies.get((method, place.row))

    def gain(self, method: str, place: Place) -> float | None:
        """Return the accuracy of a method minus that of the base, percentage points; None where one is missing."""
        mine, base = self.of(method, place), self.of(self.base, place)
        return mine.value - base.value if mine and base else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """The runs of one experiment."""

    experiment: str
    runs: tuple[BoardRun, ...]
    """The oldest one first."""
    methods: tuple[str, ...]
    """All methods of any run, those of the newest run first."""
    with_labels: frozenset[str]
    """The methods that use labels."""
    short: tuple[str, ...]
    """The methods that have a row in the short table of the newest run."""
    places: tuple[Place, ...]
    """Those of the newest run: all data sets, and each group where several exist."""

    @property
    def newest(self) -> BoardRun:
        """The newest run."""
        return self.runs[-1]

    def comparable(self, place: Place) -> list[BoardRun]:
        """Return the runs whose data sets at a place are those of the newest run, the oldest run first.

        Two runs may have other images under one name, or means over other data sets: their accuracies do not compare.
        """
        return [
            run
            for run in self.runs
            if run.datasets.get(place.row) == place.datasets
            and all(run.digests.get(name) == self.newest.digests[name] for name in place.datasets)
        ]

    def best(self, run: BoardRun, place: Place, methods: Sequence[str] | None = None) -> str | None:
        """Return the most accurate method of a run that uses no labels; None where no method has an accuracy.

        Args:
            run: the run.
            place: the data sets.
            methods: the methods to choose from; None: all.
        """
        chosen = [name for name in (self.methods if methods is None else methods) if name not in self.with_labels]
        found = {name: accuracy.value for name in chosen if (accuracy := run.of(name, place))}
        return max(found, key=found.__getitem__, default=None)


def boards(store: Store, experiment: str | None = None) -> list[Board]:
    """Return the leaderboard of each experiment in a store that has any accuracy.

    Args:
        store: the store.
        experiment: name of the only experiment; None: all.

    Raises:
        ExperimentError: the store has no results of the experiment; the message lists those that it has.
        StorageError: all results are damaged; if only some are, they are warnings in the log.
    """
    experiments_with_results(store, experiment)
    return boards_of(top1_rows(store, experiment))


def boards_of(rows: pl.DataFrame) -> list[Board]:
    """Return the leaderboard of each experiment.

    Args:
        rows: top-1 rows of results, as from `flows.reports.leaderboard.top1_rows`.
    """
    parts = rows.sort("at", "run_id", maintain_order=True).partition_by("experiment", maintain_order=True)
    return sorted((_board(mine) for mine in parts), key=lambda board: board.experiment)


def _board(rows: pl.DataFrame) -> Board:
    parts = rows.partition_by("run_id", maintain_order=True)
    first: dict[tuple[str, ...], datetime] = {}
    for part in parts:
        first.setdefault(_content(part), part["at"][0])
    since = max(rows["at"]) - NEW_FOR
    start = min(first.values())
    runs = [_run(part, is_new=start < first[_content(part)] >= since) for part in parts]
    methods = [method for part in reversed(parts) for method in part["method"].unique(maintain_order=True)]
    return Board(
        experiment=rows["experiment"][0],
        runs=tuple(runs),
        methods=tuple(dict.fromkeys(methods)),
        with_labels=frozenset(rows.filter("uses_labels")["method"]),
        short=tuple(row.method for row in summary_of(_as_stored(parts[-1])).rows),
        places=_places(parts[-1]),
    )


def _as_stored(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("value", "ci_low", "ci_high") / 100)


def _run(rows: pl.DataFrame, *, is_new: bool) -> BoardRun:
    columns = ("method", "dataset", "value", "ci_low", "ci_high")
    own = rows.filter(~IS_MEAN)
    models = max(rows["models"].to_list(), key=len)
    return BoardRun(
        run_id=rows["run_id"][0],
        at=rows["at"][0],
        checkpoint=rows["checkpoint"][0],
        is_new=is_new,
        base=METHODS["individual"].full_name(models[0]),
        datasets={name: frozenset(names) for name, names in rows.select("dataset", "datasets").iter_rows()},
        digests=dict(own.select("dataset", "dataset_digest").iter_rows()),
        accuracies={(row[0], row[1]): Accuracy(*row[2:]) for row in rows.select(columns).iter_rows()},
    )


def _content(rows: pl.DataFrame) -> tuple[str, ...]:
    """Return the digests of the models of a run after the base, or of its only model."""
    weights = max(rows["weights"].to_list(), key=len)
    return tuple(weights[1:] or weights)


def _places(rows: pl.DataFrame) -> tuple[Place, ...]:
    """Return all data sets as one place, then each group where several exist; a group of one has its name."""
    own = rows.filter(~IS_MEAN).select("dataset", "group").unique(maintain_order=True)
    groups = own.group_by("group", maintain_order=True).agg("dataset")
    places = [_place(group, names) for group, names in groups.iter_rows()]
    if len(places) < 2:
        return tuple(places)
    return (Place(mean_name(ALL), f"mean of all {len(own)}", frozenset(own["dataset"])), *places)


def _place(group: str, names: Sequence[str]) -> Place:
    if len(names) == 1:
        return Place(names[0], names[0], frozenset(names))
    return Place(mean_name(group), f"mean {group} ({len(names)})", frozenset(names))
