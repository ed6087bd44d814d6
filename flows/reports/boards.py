"""The leaderboard by experiment: runs in order of time, the base of each, and data sets that stay the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import polars as pl

from flows.reports.leaderboard import runs_of, top1_rows
from flows.reports.summary import summary_of
from flows.reports.tables import IS_MEAN
from storage.catalogue.layout import NEWEST
from storage.catalogue.parts import newest_runs
from storage.catalogue.reading import Look, Rows
from storage.store import Store
from tasks.methods.registry import METHODS
from tasks.references.results import ALL, is_mean, mean_name

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
    base_weights: str
    """SHA-256 of the base model's checkpoint."""
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
    """The newest runs, the oldest of them first."""
    total: int
    """Runs of the experiment that have an accuracy."""
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

    def has_other_base(self, run: BoardRun) -> bool:
        """Return whether a run's base is another model than that of the newest run, so that gains do not compare."""
        return run.base_weights != self.newest.base_weights

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


def boards(store: Store, experiment: str | None = None, newest: int | None = None) -> list[Board]:
    """Return the leaderboard of each experiment in a store that has any accuracy.

    Args:
        store: the store.
        experiment: name of the only experiment; None: all.
        newest: the most runs of each experiment, the newest ones; None: all. Ten or fewer cost the same with any
            number of runs in the store.

    Raises:
        ExperimentError: the store has no results of the experiment; the message lists those that it has.
        StorageError: all results are damaged; if only some are, they are warnings in the log.
    """
    is_short = newest is not None and newest <= NEWEST
    return boards_seen(runs_of(store, experiment, Rows.NEWEST if is_short else Rows.ALL), newest)


def boards_seen(seen: Look, newest: int | None = None) -> list[Board]:
    """Return the leaderboards of runs that were looked at, by the arguments of `boards`.

    Raises:
        StorageError: all results are damaged; if only some are, they are warnings in the log.
    """
    return boards_of(top1_rows(seen, newest), newest_runs(seen.runs, None))


def boards_of(rows: pl.DataFrame, runs: pl.DataFrame) -> list[Board]:
    """Return the leaderboard of each experiment.

    Args:
        rows: top-1 rows of results, as from `flows.reports.leaderboard.top1_rows`.
        runs: all runs with accuracies, also those without rows, with the columns `experiment`, `run_id`, `at`,
            `content`, `ranked` and `with_labels` of `storage.catalogue.layout.RUNS`.
    """
    parts = rows.sort("at", "run_id", maintain_order=True).partition_by("experiment", maintain_order=True)
    columns = ("experiment", "run_id", "at", "content", "ranked", "with_labels")
    mine = runs.select(columns).sort("at", "run_id").partition_by("experiment", as_dict=True)
    found = [_board(part, mine[part["experiment"][0],]) for part in parts]
    return sorted(found, key=lambda board: board.experiment)


def _board(rows: pl.DataFrame, runs: pl.DataFrame) -> Board:
    first = dict(runs.group_by("content").agg(pl.col("at").min()).iter_rows())
    content = dict(runs.select("run_id", "content").iter_rows())
    since, start = runs.select(pl.col("at").max() - NEW_FOR, pl.col("at").min().alias("start")).row(0)
    found = [
        _run(run_id, own, is_new=start < first[content[run_id]] >= since)
        for run_id, own in groupby(map(_Row._make, rows.select(_Row._fields).iter_rows()), key=lambda row: row.run_id)
    ]
    newest, ordered = rows.filter(run_id=found[-1].run_id), runs.select("ranked", "with_labels").reverse()
    return Board(
        experiment=rows["experiment"][0],
        runs=tuple(found),
        total=runs.height,
        methods=tuple(_names(ordered["ranked"])),
        with_labels=frozenset(_names(ordered["with_labels"])),
        short=tuple(row.method for row in summary_of(_as_stored(newest)).rows),
        places=_places(newest),
    )


def _names(lists: pl.Series) -> list[str]:
    """Return the names in lists, those of the first list first; most lists are the same."""
    different = lists.to_frame("names").unique(maintain_order=True)["names"]
    return list(dict.fromkeys(name for names in different.to_list() for name in names))


def _as_stored(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("value", "ci_low", "ci_high") / 100)


class _Row(NamedTuple):
    """The columns of a run's rows; one pass over tuples is much faster than several queries for each run."""

    run_id: str
    at: datetime
    checkpoint: str
    models: list[str]
    weights: list[str]
    dataset: str
    datasets: list[str]
    dataset_digest: str
    method: str
    value: float
    ci_low: float | None
    ci_high: float | None


def _run(run_id: str, rows: Iterable[_Row], *, is_new: bool) -> BoardRun:
    mine = list(rows)
    longest = max(mine, key=lambda row: len(row.models))
    return BoardRun(
        run_id=run_id,
        at=longest.at,
        checkpoint=longest.checkpoint,
        is_new=is_new,
        base=METHODS["individual"].full_name(longest.models[0]),
        base_weights=longest.weights[0],
        datasets={row.dataset: frozenset(row.datasets) for row in mine},
        digests={row.dataset: row.dataset_digest for row in mine if not is_mean(row.dataset)},
        accuracies={(row.method, row.dataset): Accuracy(row.value, row.ci_low, row.ci_high) for row in mine},
    )


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
