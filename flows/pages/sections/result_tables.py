"""The tables of results: every method on every data set and mean, for each metric."""

from collections.abc import Sequence

from flows.pages.charts.palette import DAWIN, kind_of
from flows.pages.figures import figure
from flows.pages.parts import Cell, Choice, Column, Mark, Option, Part, Section, Table
from flows.pages.run_data import TOP1, Estimate, RunData
from tasks.numerics.metrics.metric import Metric
from tasks.numerics.metrics.registry import METRICS
from tasks.references.results import is_mean, mean_name

_MOST_CELLS = 5_000  # of all tables together; beyond, metrics other than the first have the means alone


def result_tables(run: RunData) -> Section | None:
    """Return the section; None for a run without any metric."""
    present = set(run.rows["metric"])
    metrics = [metric for metric in METRICS if metric.name in present]
    if not metrics:
        return None
    columns = _places(run)
    is_long = len(metrics) * len(columns) * len(run.methods) > _MOST_CELLS
    options = []
    for i, metric in enumerate(metrics):
        places = [name for name in columns if is_mean(name)] if i and is_long else columns
        if table := result_table(run, metric, places or columns):
            options.append(Option(title=metric.title, parts=(table,)))
    parts: tuple[Part, ...] = (
        options[0].parts if len(options) == 1 else (Choice(label="Metric", options=tuple(options)),)
    )
    return Section(id="results", title="Results", words=(_words(run, metrics),), parts=parts)


def _words(run: RunData, metrics: Sequence[Metric]) -> str:
    """Return how to read the marks of the tables, as far as the tables have them."""
    words = []
    if any(metric.better for metric in metrics):
        words.append("The best value of each column is marked.")
        if run.comparisons is not None:
            words.append(
                "So are the values that the same samples do not distinguish from it: paired tests, with Holm's "
                "correction over all comparisons of the run, at a level of 5 %."
            )
    words.append("Intervals are 95 % intervals.")
    if any(len(group.datasets) > 1 for group in run.groups):
        words.append("A mean gives each data set the same weight.")
    return " ".join(words)


def _places(run: RunData) -> list[str]:
    """Return the columns: the mean over all data sets, then each group's mean and its data sets."""
    several = run.whole is not None and len(run.groups) > 1
    places = [mean_name("all")] if several else []
    for group in run.groups:
        places += [group.row] if len(group.datasets) > 1 else []
        places += group.datasets
    return [*places, *(name for name in run.datasets if name not in run.labelled)]


def result_table(run: RunData, metric: Metric, places: Sequence[str]) -> Table | None:
    """Return the table of one metric; None if no method has a value in any of its columns.

    Args:
        run: the run.
        metric: the metric.
        places: data sets and means, each a column.
    """
    scale = 100.0 if metric.unit == "%" else 1.0
    filled = [p for p in places if any(run.estimate(m, p, metric.name) for m in run.methods)]
    methods = [m for m in run.methods if any(run.estimate(m, p, metric.name) for p in filled)]
    if not filled:
        return None
    marks = {place: _marks(run, metric, place) for place in filled}
    rows = []
    for method in methods:
        cells = [Cell(text=method, detail="uses labels" if method in run.with_labels else "")]
        for place in filled:
            found = run.estimate(method, place, metric.name)
            cells.append(_cell(found, marks[place].get(method), scale))
        rows.append(tuple(cells))
    columns = [Column(name="method"), *(_column(run, place, metric) for place in filled)]
    return Table(
        caption=f"{metric.title[:1].upper()}{metric.title[1:]}",
        columns=tuple(columns),
        rows=tuple(rows),
        highlighted=frozenset(i for i, method in enumerate(methods) if kind_of(method) == DAWIN),
    )


def _column(run: RunData, place: str, metric: Metric) -> Column:
    group = place.removeprefix(mean_name(""))
    members = next((g.datasets for g in run.groups if g.name == group), tuple(run.labelled))
    help_ = f"mean of {', '.join(members)}" if is_mean(place) else f"{run.samples[place]:,} samples"
    name = f"mean {group}" if is_mean(place) else place
    return Column(name=name, kind="number", unit=metric.unit, better=metric.better, help=help_)


def _cell(found: Estimate | None, mark: Mark | None, scale: float) -> Cell:
    if found is None:
        return Cell(text="")
    return Cell(
        text=figure(scale * found.value),
        value=scale * found.value,
        mark=mark,
        low=None if found.low is None else scale * found.low,
        high=None if found.high is None else scale * found.high,
    )


def _marks(run: RunData, metric: Metric, place: str) -> dict[str, Mark]:
    """Return the marks of a column: the best methods, and those that are not distinguishable from the first of them."""
    sign = {"higher": 1.0, "lower": -1.0}.get(metric.better or "")
    values = {
        method: sign * found.value
        for method in run.methods
        if sign and method not in run.with_labels and (found := run.estimate(method, place, metric.name))
    }
    if len(set(values.values())) < 2:
        return {}
    top = max(values.values())
    best = [method for method, value in values.items() if value == top]
    tied = run.tied(best[0], place, metric.name) if metric.name == TOP1 or run.comparisons is not None else []
    marks: dict[str, Mark] = dict.fromkeys(tied, "tied")
    return {**marks, **dict.fromkeys(best, "best")}
