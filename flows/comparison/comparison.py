"""A comparison that was made: its rows, the best method of each column, and the methods that may be as good."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tasks.numerics.metrics.metric import Metric

LEVEL = 0.05
"""Corrected p-values below it tell two methods apart."""

Row = Mapping[str, Any]
"""A row of the table `comparisons`."""


class Member(NamedTuple):
    """A method of a run."""

    method: str
    run: str


class Against(NamedTuple):
    """A method compared with a reference; all differences are those of the method minus the reference."""

    method: Member
    reference: Member
    value: float
    reference_value: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    p_corrected: float
    detectable: float | None

    @property
    def is_tied(self) -> bool:
        """Whether the samples do not tell the two apart, after the correction."""
        return self.p_corrected >= LEVEL


def against(row: Row, reference: Member | None = None) -> Against:
    """Return a row with the method of the first name against the second, or against a given one of the two.

    Args:
        row: of the table `comparisons`.
        reference: one of its two methods; None: the second one.
    """
    a, b = _members(row)
    is_turned = reference == a
    sign = -1.0 if is_turned else 1.0
    ends = [None if row[name] is None else sign * row[name] for name in ("ci_low", "ci_high")]
    low, high = reversed(ends) if is_turned else ends
    return Against(
        method=b if is_turned else a,
        reference=a if is_turned else b,
        value=row["value_b" if is_turned else "value_a"],
        reference_value=row["value_a" if is_turned else "value_b"],
        difference=sign * row["difference"],
        low=low,
        high=high,
        p_value=row["p_value"],
        p_corrected=row["p_corrected"],
        detectable=row["detectable"],
    )


@dataclass(frozen=True)
class ComparedDataset:
    """A data set or a mean by one metric: the rows of all its pairs."""

    dataset: str
    metric: Metric
    rows: Sequence[Row]
    labelled: frozenset[str]
    """Names of the methods that use labels."""

    @property
    def samples(self) -> int:
        """Number of samples, of all data sets of a mean."""
        return int(self.rows[0]["samples"])

    @property
    def test(self) -> str:
        """The test, `mcnemar` or `bootstrap`."""
        return str(self.rows[0]["test"])

    @cached_property
    def values(self) -> dict[Member, float]:
        """The value of every method, in the order of the request."""
        found: dict[Member, float] = {}
        for side in "ab":  # the first method of the last pair, and the last one, are in `a` and `b` alone
            for row in self.rows:
                found.setdefault(Member(row[f"method_{side}"], row[f"run_{side}"]), row[f"value_{side}"])
        return found

    @cached_property
    def best(self) -> Member | None:
        """The method of the best value, of those without labels; None where all use labels."""
        sign = 1.0 if self.metric.better == "higher" else -1.0
        able = [member for member in self.values if member.method not in self.labelled]
        return max(able, key=lambda member: sign * self.values[member], default=None)

    @cached_property
    def with_best(self) -> list[Against]:
        """Every other method against the best: the better values first, and last the methods that use labels."""
        found = [against(row, self.best) for row in self.rows if self.best in _members(row)]
        sign = 1.0 if self.metric.better == "higher" else -1.0
        return sorted(found, key=lambda one: (one.method.method in self.labelled, -sign * one.difference))

    @property
    def tied(self) -> list[str]:
        """Names of the methods without labels that the samples do not tell from the best."""
        return [a.method.method for a in self.with_best if a.is_tied and a.method.method not in self.labelled]


def _members(row: Row) -> tuple[Member, Member]:
    return Member(row["method_a"], row["run_a"]), Member(row["method_b"], row["run_b"])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The result of a request."""

    run: str
    """Experiment and run, as `EXPERIMENT/RUN`."""
    other: str | None
    """The other run, with whose methods those of the run are compared."""
    metrics: Sequence[Metric]
    rows: Sequence[Row]
    labelled: frozenset[str]
    """Names of the methods that use labels."""
    against_best: bool
    """Whether no methods were named, so that readers see each against the best; `rows` holds all pairs."""
    table: str | None = None
    """Address of the table in the store; None: the store cannot be written."""

    def columns(self) -> Iterator[ComparedDataset]:
        """Yield the data sets and means, by metric."""
        for metric in self.metrics:
            mine = [row for row in self.rows if row["metric"] == metric.name]
            for dataset in dict.fromkeys(row["dataset"] for row in mine):
                rows = [row for row in mine if row["dataset"] == dataset]
                yield ComparedDataset(dataset, metric, rows, self.labelled)
