"""The numbers of one run that a report shows: its results, comparisons and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from flows.pages.charts.palette import DAWIN, kind_of
from flows.pages.run_plan import RunPlan
from flows.reports.tables import IS_MEAN
from storage.store import Store
from tasks.methods.registry import METHODS
from tasks.references.results import mean_name

TOP1 = "top1"
SIGNIFICANT = 0.05
"""A corrected p-value below which two methods are distinguishable."""


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    samples: int


class Difference(NamedTuple):
    """One method's value minus another's, on the same samples."""

    value: float
    low: float | None
    high: float | None
    p_corrected: float | None
    """None where nothing tested it."""

    @property
    def is_distinguishable(self) -> bool:
        """Whether a test tells the methods apart."""
        return self.p_corrected is not None and self.p_corrected < SIGNIFICANT


class Group(NamedTuple):
    """Data sets that are averaged."""

    name: str
    datasets: tuple[str, ...]

    @property
    def row(self) -> str:
        """The name under which results have its mean."""
        return mean_name(self.name)

    @property
    def words(self) -> str:
        """The group as a part of a sentence, after `on`."""
        if len(self.datasets) == 1:
            return self.datasets[0]
        return "all data sets" if self.name == "all" else f"{len(self.datasets)} data sets ({self.name})"


@dataclass(frozen=True, kw_only=True)
class RunData:
    """One run."""

    store: Store
    experiment: str
    run_id: str
    rows: pl.DataFrame
    """All rows of its results; none where no data set has any metric."""
    comparisons: pl.DataFrame | None = None
    """Pairs of its methods on the same samples; None: nothing compared them."""
    plan: RunPlan
    """Without cells where the store no longer has it: no number of a single sample is known then."""
    settings: Mapping[str, Any]
    created_at: datetime | None = None

    @cached_property
    def datasets(self) -> list[str]:
        """All data sets in the experiment's order."""
        named = [dataset.name for dataset in self.plan.datasets]
        found = self._own["dataset"].unique(maintain_order=True).to_list()
        return list(dict.fromkeys([*named, *found]))

    @cached_property
    def labelled(self) -> list[str]:
        """The data sets with labels, which have accuracies."""
        known = set(self._own.filter(metric=TOP1)["dataset"])
        return [name for name in self.datasets if name in known]

    @cached_property
    def groups(self) -> list[Group]:
        """The groups of the data sets with labels, in order."""
        found: dict[str, list[str]] = {}
        for name, group in self._own.filter(metric=TOP1).select("dataset", "group").unique(maintain_order=True).rows():
            found.setdefault(group, []).append(name)
        return [Group(name, tuple(datasets)) for name, datasets in found.items()]

    @cached_property
    def whole(self) -> Group | None:
        """All data sets with labels as one group; None if no data set has labels."""
        if not self.groups:
            return None
        return self.groups[0] if len(self.groups) == 1 else Group("all", tuple(self.labelled))

    @cached_property
    def samples(self) -> dict[str, int]:
        """The number of samples of each data set."""
        counted = dict(self._own.select("dataset", "samples").unique(maintain_order=True).rows())
        return counted | {dataset.name: dataset.samples for dataset in self.plan.datasets}

    @cached_property
    def methods(self) -> list[str]:
        """All methods, in the order of the results."""
        return self._own["method"].unique(maintain_order=True).to_list()

    @cached_property
    def with_labels(self) -> set[str]:
        """The methods that use labels of any data set."""
        return set(self.rows.filter("uses_labels")["method"])

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, the base first."""
        if self.plan.cells:
            return [o.model.name for o in max((self.plan.outputs(d) for d in self.datasets), key=len)]
        lists = self._own["models"].to_list() if "models" in self._own.columns else []
        return list(max(lists, key=len, default=[]))

    @cached_property
    def dawin(self) -> list[str]:
        """The methods of DaWin."""
        return [method for method in self.methods if kind_of(method) == DAWIN]

    def individual(self, model: str) -> str:
        """Return the name of a model by itself in results."""
        return METHODS["individual"].full_name(model)

    def estimate(self, method: str, dataset: str, metric: str = TOP1) -> Estimate | None:
        """Return the value of a method on a data set or a mean of data sets; None where results have none."""
        return self._estimates.get((method, dataset, metric))

    def overall(self, method: str, metric: str = TOP1) -> Estimate | None:
        """Return the mean of a method over all data sets with labels."""
        return self.estimate(method, self.whole.row, metric) if self.whole else None

    def best(self, methods: Sequence[str] | None = None) -> str | None:
        """Return the most accurate method of those that use no labels, by the mean over all data sets.

        Args:
            methods: the methods to choose from; None: all.
        """
        chosen = [name for name in (self.methods if methods is None else methods) if name not in self.with_labels]
        scores = {name: found.value for name in chosen if (found := self.overall(name))}
        return max(scores, key=scores.__getitem__, default=None)

    @cached_property
    def reference(self) -> str | None:
        """The fine-tuned model by itself; of several models the most accurate one after the base."""
        tuned = [self.individual(model) for model in self.models[1:]]
        return self.best([method for method in tuned if method in self.methods])

    @cached_property
    def base(self) -> str | None:
        """The base model by itself; None where results do not have it."""
        name = self.individual(self.models[0]) if self.models else ""
        return name if name in self.methods else None

    def difference(self, method: str, other: str, dataset: str, metric: str = TOP1) -> Difference | None:
        """Return a method's value minus another's; None where either does not exist."""
        place = self._tested_place(dataset)
        if (found := self._differences.get((method, other, place, metric))) is not None:
            return found
        if (turned := self._differences.get((other, method, place, metric))) is not None:
            low, high = turned.low, turned.high
            ends = (None if high is None else -high, None if low is None else -low)
            return Difference(-turned.value, *ends, turned.p_corrected)
        mine, theirs = self.estimate(method, dataset, metric), self.estimate(other, dataset, metric)
        return Difference(mine.value - theirs.value, None, None, None) if mine and theirs else None

    def _tested_place(self, dataset: str) -> str:
        """Return the name under which comparisons have a mean: of one data set it is the data set's."""
        single = {group.row: group.datasets[0] for group in self.groups if len(group.datasets) == 1}
        return single.get(dataset, dataset)

    def tied(self, best: str, dataset: str, metric: str = TOP1) -> list[str]:
        """Return the methods that a test does not distinguish from the best one."""
        found = []
        for method in self.methods:
            if method != best and method not in self.with_labels:
                difference = self.difference(best, method, dataset, metric)
                if difference and difference.p_corrected is not None and not difference.is_distinguishable:
                    found.append(method)
        return found

    @cached_property
    def notes(self) -> dict[str, str]:
        """The warnings about data sets."""
        noted = self._own.filter(pl.col("note").is_not_null()).select("dataset", "note").unique(maintain_order=True)
        return dict(noted.rows())

    @cached_property
    def _own(self) -> pl.DataFrame:
        """The rows of data sets, without those of means."""
        return self.rows.filter(~IS_MEAN)

    @cached_property
    def _estimates(self) -> dict[tuple[str, str, str], Estimate]:
        columns = ("method", "dataset", "metric", "value", "ci_low", "ci_high", "samples")
        return {tuple(row[:3]): Estimate(*row[3:]) for row in self.rows.select(columns).iter_rows()}

    @cached_property
    def _differences(self) -> dict[tuple[str, str, str, str], Difference]:
        if self.comparisons is None:
            return {}
        columns = ("method_a", "method_b", "dataset", "metric", "difference", "ci_low", "ci_high", "p_corrected")
        return {tuple(row[:4]): Difference(*row[4:]) for row in self.comparisons.select(columns).iter_rows()}
