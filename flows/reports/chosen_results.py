"""Results chosen by run, metric, method and data set, for commands; a choice that does not exist is refused."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import polars as pl

from flows.errors import ExperimentError
from flows.reports.tables import experiments_with_results, refuse_unknown, rows_of_runs
from storage import keys
from storage.catalogue import look
from storage.pointers import latest_run
from storage.store import Store
from storage.text import shown
from tasks.errors import did_you_mean
from tasks.references.results import is_mean

_MOST_KNOWN = 40  # names that a message lists


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The part of the results that somebody asks for."""

    experiment: str | None = None
    """Name of an experiment; None: all in the store."""
    run_id: str | None = None
    """A run; None: the latest of each experiment."""
    methods: tuple[str, ...] = ()
    """Methods, families of methods or patterns such as `wise-ft/0.?0`; empty: all."""
    datasets: tuple[str, ...] = ()
    """Names of data sets, or patterns; empty: all."""

    def keeps_method(self, name: str) -> bool:
        """Return whether a method is asked for."""
        return not self.methods or any(matches_method(name, pattern) for pattern in self.methods)

    def keeps_dataset(self, name: str) -> bool:
        """Return whether a data set is asked for."""
        return not self.datasets or any(fnmatchcase(name, pattern) for pattern in self.datasets)


def matches_method(name: str, pattern: str) -> bool:
    """Return whether a method's name is a pattern's: the name itself, its family, or a shell pattern.

    Example:
        >>> matches_method("wise-ft/0.50", "wise-ft"), matches_method("wise-ft/0.50", "*/0.5*")
        (True, True)
    """
    return name.partition("/")[0] == pattern or fnmatchcase(name, pattern)


def experiment_and_run(store: Store, choice: Choice) -> tuple[str | None, str | None]:
    """Return the experiment and the run of a choice; a run alone names its experiment.

    Raises:
        ExperimentError: the store has no such experiment or run; the message lists those that it has.
    """
    if choice.run_id is None:
        experiments_with_results(store, choice.experiment)
        return choice.experiment, None
    if choice.experiment is not None:
        key = keys.results(choice.experiment, choice.run_id)
        if keys.is_results(key) and store.exists(keys.manifest(key)):
            return choice.experiment, choice.run_id
    refuse_unknown(store, choice.experiment)
    every = look(store, choice.experiment).every
    runs = dict(every.select("run_id", "experiment").iter_rows())
    if choice.run_id not in runs:
        whose = f"experiment {choice.experiment!r} has" if choice.experiment else "the store has"
        raise ExperimentError(f"--run {shown(choice.run_id)}: {whose} no such run; known: {listed(runs)}")
    return runs[choice.run_id], choice.run_id


def chosen_runs(store: Store, choice: Choice) -> list[tuple[str, str]]:
    """Return experiment and run of each run of a choice.

    Raises:
        ExperimentError: the store has no such experiment or run; the message lists those that it has.
    """
    if choice.run_id is None:
        return [(name, latest_run(store, name)) for name in experiments_with_results(store, choice.experiment)]
    experiment, run_id = experiment_and_run(store, choice)
    assert experiment is not None  # a run has an experiment
    assert run_id is not None
    return [(experiment, run_id)]


def chosen_results(store: Store, choice: Choice, runs: Sequence[tuple[str, str]] | None = None) -> pl.DataFrame:
    """Return the result rows of a choice; `flows.reports.run_contents.predicted` checks its methods and data sets.

    Args:
        store: holds the results.
        choice: the runs, methods and data sets.
        runs: those of the choice, from `chosen_runs`; None: they are looked up.

    Raises:
        ExperimentError: no results of the experiment or the run exist; the message lists those that do.
        StorageError: the results are damaged.
    """
    rows = rows_of_runs(store, chosen_runs(store, choice) if runs is None else runs)
    methods, datasets = rows["method"].unique(), rows["dataset"].unique()
    return rows.filter(
        pl.col("method").is_in([name for name in methods if choice.keeps_method(name)]),
        pl.col("dataset").is_in([name for name in datasets if choice.keeps_dataset(name)]),
    )


def check_choice(choice: Choice, methods: Collection[str], datasets: Collection[str]) -> None:
    """Raise `ExperimentError` for each method and data set of a choice that is not among the existing ones."""
    faults = [
        *_unknown("--method", choice.methods, methods, matches_method),
        *_unknown("--dataset", choice.datasets, datasets, fnmatchcase),
    ]
    if faults:
        raise ExperimentError("; ".join(faults))


def check_metric(rows: pl.DataFrame, metric: str) -> None:
    """Raise `ExperimentError` if no row has the metric; the message lists those that have any."""
    known = rows["metric"].unique(maintain_order=True).to_list()
    if metric not in known:
        # abbreviations resemble one another by chance, so the names stand beside the guess
        hint = did_you_mean(metric, known) or ";"
        raise ExperimentError(f"--metric {shown(metric)}: no such metric in these results{hint} known: {listed(known)}")


def listed(names: Collection[str]) -> str:
    """Return the names that exist, in words: at most forty of them."""
    some = list(names)[:_MOST_KNOWN]
    more = f" and {len(names) - len(some)} more" if len(names) > len(some) else ""
    return f"{', '.join(map(shown, some)) or 'none'}{more}"


def _unknown(
    option: str, patterns: Sequence[str], names: Collection[str], matches: Callable[[str, str], bool]
) -> list[str]:
    """Return the faults of patterns that match none of the names."""
    means = "a mean is shown beside all of its data sets, and cannot be chosen"
    return [
        f"{option} {shown(pattern)}: {means if is_mean(pattern) else 'not in these results'}; known: {listed(names)}"
        for pattern in patterns
        if not any(matches(name, pattern) for name in names)
    ]
