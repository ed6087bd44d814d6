"""Published numbers beside the measured ones."""

from typing import Any

from flows.pages.parts import Cell, Column, Section, Table
from flows.pages.run_data import RunData
from flows.reports.published import published_figure, published_rows
from tasks.numerics.metrics.registry import metric_of

_COLUMNS = (
    Column(name="method"),
    Column(name="data set"),
    Column(name="metric"),
    Column(name="published", kind="number"),
    Column(name="measured", kind="number"),
    Column(
        name="difference",
        kind="number",
        digits=2,
        help="measured minus published, with the measured value's interval; the published number's error is unknown",
    ),
    Column(name="source"),
)


def published_numbers(run: RunData) -> Section | None:
    """Return the section; None if no row has a published number."""
    rows = published_rows(run.rows)
    if rows.is_empty():
        return None
    words = (
        f"{len(rows)} of these numbers are published. {rows['inside'].sum()} of them lie inside the 95 % interval of "
        "the measured value. Fractions are in percent.",
    )
    cells = tuple(map(_cells, rows.iter_rows(named=True)))
    table = Table(caption="Published and measured", columns=_COLUMNS, rows=cells)
    return Section(id="published", title="Published and measured", words=words, parts=(table,))


def _cells(row: dict[str, Any]) -> tuple[Cell, ...]:
    """Return the cells of one published number."""
    name = row["metric"]
    metric = metric_of(name)
    scale = 100.0 if metric.unit == "%" else 1.0
    low, high = (None if row[end] is None else scale * row[end] for end in ("ci_low", "ci_high"))
    shown = published_figure(row["difference"], name, signed=True)
    return (
        Cell(text=row["method"]),
        Cell(text=row["dataset"]),
        Cell(text=metric.title),
        Cell(text=published_figure(row["published"], name), value=scale * row["published"]),
        Cell(text=published_figure(row["measured"], name), value=scale * row["measured"]),
        Cell(text=shown, value=scale * row["difference"], low=low, high=high),
        Cell(text=row["source"]),
    )
