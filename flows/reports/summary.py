"""The short table of results: which methods have a row, which columns exist, and which value of each column is best.

This is data, not text: `flows.display` draws it, and knows how many columns fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from flows.reports.tables import IS_MEAN, unit_of
from flows.reports.ties import PairTests, Ties
from tasks.methods.registry import METHODS
from tasks.numerics.metrics.registry import metric_of
from tasks.references.results import mean_name

_EACH = 4  # members: a family that shows each of them shows the first and the best where it has more
ID = "id"
"""Name of the group of in-distribution data sets, whose accuracy chooses the best member of a family."""


class Column(NamedTuple):
    """A data set, or the mean of a group of them."""

    name: str
    datasets: tuple[str, ...]
    """The data sets whose values it shows: one, or those of the mean."""
    key: str
    """Its name in the column `dataset` of the results."""
    samples: int | None
    """Samples of the data set; None for a mean."""
    has_labels: bool = True


class Figure(NamedTuple):
    """A value of the table."""

    value: float
    """Fractions in percent, other metrics as they are."""
    margin: float | None
    """Half the width of the 95 % interval; None without an interval."""
    shown: str
    """The value in three significant digits."""
    is_best: bool = False
    """Whether no row shows a better value in this column, rows of methods that use labels aside."""
    is_tied: bool = False
    """Whether the samples do not tell the method from the best of these rows, which it is not itself."""


class Row(NamedTuple):
    """A method."""

    method: str
    remark: str
    """Why this member of its family has a row, such as `best on clean`; empty where nothing was chosen."""
    uses_labels: bool
    figures: tuple[Figure | None, ...]
    """One for each column; None where no value exists."""


@dataclass(frozen=True)
class Summary:
    """The short table of one experiment's results, or the whole one."""

    experiment: str
    metric: str
    columns: tuple[Column, ...]
    """Means and single data sets of a group first, then the other data sets in the experiment's order."""
    rows: tuple[Row, ...]
    hidden: int
    """Number of methods without a row."""
    notes: tuple[tuple[str, str], ...]
    """Data sets of the table, and the notes on them."""
    tests: int = 0
    """Number of tests by which values count as tied: of all pairs of the rows, corrected together; 0: none is known."""

    @property
    def unlabelled(self) -> list[str]:
        """Names of the data sets without labels, which have no accuracies."""
        return [column.name for column in self.columns if not column.has_labels]


def summary_of(
    rows: pl.DataFrame,
    *,
    metric: str = "top1",
    all_rows: bool = False,
    datasets: Sequence[str] = (),
    tests: PairTests | None = None,
) -> Summary:
    """Return the short table of one experiment's results.

    A family of methods has one row: its best member by the mean over the in-distribution data sets (group `id`), or
    over all data sets where that group does not exist. A method's file says which members are shown in any case.

    Args:
        rows: results of one experiment, all methods and metrics, as from `flows.reports.tables.results_of`.
        metric: the metric of the values.
        all_rows: whether every method has a row.
        datasets: all data sets in order, also those without labels; by default those that have any rows.
        tests: of all pairs of methods by this metric; None: no values are marked as tied.

    Raises:
        KeyError: no such metric exists.
        ValueError: the rows belong to several experiments.
    """
    better, names = metric_of(metric).better, rows["experiment"].unique().to_list() if len(rows) else [""]
    if len(names) > 1:
        raise ValueError(f"rows: wanted one experiment, got {', '.join(sorted(names))}")
    every, rows = rows.filter(pl.col("metric") == metric), rows.filter(~IS_MEAN)
    found, chosen = _cells(every), every.filter(~IS_MEAN)
    columns = _columns(every, rows, datasets)
    methods = chosen["method"].unique(maintain_order=True).to_list()
    labelled = chosen["dataset"].unique(maintain_order=True).to_list()
    judged = chosen.filter(group=ID)["dataset"].unique(maintain_order=True).to_list() or labelled
    scores = {method: _score([found.get((method, name)) for name in judged], better) for method in methods}
    picked = dict.fromkeys(methods, "") if all_rows else _picked(methods, scores, _criterion(chosen, judged))
    oracles = {row["method"] for row in found.values() if row["uses_labels"]}
    shown = [
        Row(method, remark, method in oracles, tuple(_figure(found, method, column, metric) for column in columns))
        for method, remark in picked.items()
    ]
    shown, count = _marked_rows(shown, columns, better, tests)
    return Summary(
        experiment=names[0],
        metric=metric,
        columns=columns,
        rows=tuple(shown),
        hidden=len(methods) - len(picked),
        notes=tuple({row["dataset"]: row["note"] for row in rows.iter_rows(named=True) if row["note"]}.items()),
        tests=count,
    )


def _cells(rows: pl.DataFrame) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the rows of one metric by method, and data set or mean."""
    return {(row["method"], row["dataset"]): row for row in rows.iter_rows(named=True)}


def _columns(every: pl.DataFrame, rows: pl.DataFrame, datasets: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns: one key column for each group, then the data sets that no key column shows.

    A mean that no row has, since its data sets are not all chosen, has no column.
    """
    chosen, have_values = every.filter(~IS_MEAN), {*every["dataset"]}
    samples = dict(chosen.select("dataset", "samples").iter_rows())
    groups: dict[str, list[str]] = {}
    for name, group in chosen.select("dataset", "group").unique(maintain_order=True).iter_rows():
        groups.setdefault(group, []).append(name)
    means = [
        Column(f"mean {group}" if len(groups) > 1 else "mean", tuple(names), mean_name(group), None)
        for group, names in groups.items()
        if len(names) > 1 and mean_name(group) in have_values
    ]
    single = [
        Column(names[0], (names[0],), names[0], samples[names[0]]) for names in groups.values() if len(names) == 1
    ]
    have_labels = {*rows.filter(metric="top1")["dataset"], *samples}
    order = list(datasets) or rows["dataset"].unique(maintain_order=True).to_list()
    others = [name for name in order if name not in {column.name for column in single}]
    return (
        *sorted([*single, *means], key=lambda column: list(samples).index(column.datasets[0])),
        *(Column(name, (name,), name, samples.get(name), name in have_labels) for name in others),
    )


def _criterion(chosen: pl.DataFrame, judged: Sequence[str]) -> str:
    """Return, in words, by what the best member of a family is chosen."""
    if len(judged) == 1:
        return f"best on {judged[0]}"
    return f"best mean {ID}" if ID in chosen["group"] else "best mean"


def _picked(methods: Sequence[str], scores: Mapping[str, float], criterion: str) -> dict[str, str]:
    """Return the methods that have a row, in order, each with its remark."""
    families: dict[str, list[str]] = {}
    for method in methods:
        families.setdefault(method.partition("/")[0], []).append(method)
    picked = dict[str, str]()
    for name, members in families.items():
        family = METHODS.get(name)
        if family and family.short_rows == "each" and (len(members) <= _EACH or not family.is_baseline):
            picked |= dict.fromkeys(members, "")
            continue
        best = max(members, key=lambda method: scores[method])  # the first of equal ones
        if scores[best] == float("-inf"):  # no member has a value everywhere, so none is known to be the best
            criterion = ""
        kept = {f"{name}/{member}" for member in family.always_shown} if family else set()
        kept |= {members[0]} if family and family.short_rows == "each" else set()
        remarks = {method: criterion if method == best else "" for method in members if method in kept | {best}}
        picked |= remarks if len(members) > 1 else dict.fromkeys(members, "")
    return picked


def _score(found: Sequence[Mapping[str, Any] | None], better: str | None) -> float:
    """Return the mean value of cells, negative if lower is better; minus infinity where one of them does not exist."""
    values = [row["value"] for row in found if row is not None]
    if not values or len(values) < len(found):
        return float("-inf")
    mean: float = sum(values) / len(values)
    return -mean if better == "lower" else mean


def _figure(
    found: Mapping[tuple[str, str], Mapping[str, Any]], method: str, column: Column, metric: str
) -> Figure | None:
    """Return the value of a method in a column; None if the results hold none."""
    cell = found.get((method, column.key))
    if cell is None:
        return None
    unit = unit_of(metric)
    value, low, high = cell["value"], cell["ci_low"], cell["ci_high"]
    # near 0 and 1 an interval reaches further to one side, and its longer side counts
    margin = None if None in (low, high) else unit * max(value - low, high - value)
    return Figure(unit * value, margin, significant(unit * value))


def _with_best(rows: Sequence[Row], better: str) -> list[Row]:
    """Mark the best figures of each column: all that show the best number, unless every row shows it."""
    compared = [row for row in rows if not row.uses_labels]
    best, choose = list[str | None](), max if better == "higher" else min
    for figures in zip(*(row.figures for row in compared), strict=True):
        found = [figure for figure in figures if figure]
        differ = len({figure.shown for figure in found}) > 1
        best.append(choose(found, key=lambda figure: figure.value).shown if differ else None)
    return [row if row.uses_labels else row._replace(figures=_marked(row.figures, best)) for row in rows]


def _marked(figures: Sequence[Figure | None], best: Sequence[str | None]) -> tuple[Figure | None, ...]:
    return tuple(f and f._replace(is_best=f.shown == largest) for f, largest in zip(figures, best, strict=True))


def _marked_rows(
    rows: list[Row], columns: Sequence[Column], better: str | None, tests: PairTests | None
) -> tuple[list[Row], int]:
    """Mark the best figures and those tied with them; return the rows, and the number of tests that say so."""
    if not better:
        return rows, 0
    best = _with_best(rows, better)
    if tests is None:
        return best, 0
    ranked = [row.method for row in rows if not row.uses_labels]
    ties = tests.ties(ranked, [column.key for column in columns])
    return _with_ties(best, columns, better, ties), ties.tests


def _with_ties(rows: Sequence[Row], columns: Sequence[Column], better: str, ties: Ties) -> list[Row]:
    """Mark the figures of each column that the samples do not tell from the best of these rows."""
    choose = max if better == "higher" else min
    best = dict[int, str]()
    for i in range(len(columns)):
        marked = [(row, figure) for row in rows if (figure := row.figures[i]) and figure.is_best]
        if marked:
            best[i] = choose(marked, key=lambda one: one[1].value)[0].method

    def is_tied(row: Row, i: int, figure: Figure) -> bool:
        is_other = i in best and not figure.is_best and not row.uses_labels
        return is_other and ties.are_tied(row.method, best[i], columns[i].key)

    return [
        row._replace(figures=tuple(f and f._replace(is_tied=is_tied(row, i, f)) for i, f in enumerate(row.figures)))
        for row in rows
    ]


def significant(value: float, digits: int = 3) -> str:
    """Return a number in a number of significant digits.

    Example:
        >>> [significant(value) for value in (97.34, 97.0, 100.0, 9.876, 0.5)]
        ['97.3', '97.0', '100', '9.88', '0.500']
    """
    return f"{value:#.{digits}g}".removesuffix(".")
