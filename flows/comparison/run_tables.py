"""A finished run as comparisons see it: its methods, data sets and values, and where each prediction is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flows.reports.chosen_results import Choice, chosen_runs
from flows.reports.run_contents import Predicted, predicted
from flows.reports.tables import rows_of_runs
from storage.store import Store
from tasks.references.results import ALL, is_mean, mean_name


@dataclass(frozen=True)
class RunTable:
    """The predictions and the results of one run."""

    experiment: str
    run_id: str
    predictions: Mapping[tuple[str, str], Predicted]
    """By method and data set."""
    rows: Mapping[tuple[str, str, str], Mapping[str, Any]]
    """Rows of results on data sets, by method, data set and metric."""

    @property
    def name(self) -> str:
        """Experiment and run, as `EXPERIMENT/RUN`."""
        return f"{self.experiment}/{self.run_id}"

    @cached_property
    def methods(self) -> list[str]:
        """Names of the methods, in the order of the results."""
        return list(dict.fromkeys(method for method, _ in self.predictions))

    @cached_property
    def datasets(self) -> list[str]:
        """Names of the data sets, in the order of the experiment."""
        return list(dict.fromkeys(dataset for _, dataset in self.predictions))

    @cached_property
    def digests(self) -> dict[str, str]:
        """The digest of each data set by its name."""
        return {dataset: one.digest for (_, dataset), one in self.predictions.items()}

    @cached_property
    def groups(self) -> dict[str, str]:
        """The group of each data set that has any value, by its name."""
        return {dataset: row["group"] for (_, dataset, _), row in self.rows.items()}

    @cached_property
    def labelled(self) -> frozenset[str]:
        """Names of the methods that use labels, if only on some data sets."""
        return frozenset(method for (method, _, _), row in self.rows.items() if row["uses_labels"])

    def valued(self, metric: str) -> list[str]:
        """Return the names of the data sets on which a metric has any value."""
        found = {dataset for _, dataset, name in self.rows if name == metric}
        return [dataset for dataset in self.datasets if dataset in found]

    def means(self, metric: str) -> dict[str, list[str]]:
        """Return the data sets of each mean by its name: of every group, and of all data sets if groups differ."""
        groups: dict[str, list[str]] = {}
        for dataset in self.valued(metric):
            groups.setdefault(self.groups[dataset], []).append(dataset)
        whole = {ALL: self.valued(metric)} if len(groups) > 1 else {}
        return {mean_name(group): members for group, members in {**groups, **whole}.items()}


def run_table(store: Store, experiment: str, run_id: str | None = None) -> RunTable:
    """Return a run's methods, values and predictions.

    Args:
        store: the store.
        experiment: name of the experiment.
        run_id: the run; None: the latest.

    Raises:
        ExperimentError: the store has no such experiment or run; the message lists those that it has.
        StorageError: the results are damaged.
    """
    own = Choice(experiment=experiment, run_id=run_id)
    runs = chosen_runs(store, own)
    ((_, run_id),) = runs
    columns = ("method", "dataset", "metric", "group", "value", "samples", "uses_labels")
    rows = rows_of_runs(store, runs).select(columns)
    return RunTable(
        experiment=experiment,
        run_id=run_id,
        predictions={(one.method, one.dataset): one for one in predicted(store, own, runs=runs)},
        rows={
            (row["method"], row["dataset"], row["metric"]): row
            for row in rows.iter_rows(named=True)
            if not is_mean(row["dataset"])
        },
    )
