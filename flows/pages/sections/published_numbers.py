"""Published numbers beside the measured ones."""

from typing import Any

from flows.pages.parts import Cell, Column, Section, Table
from flows.pages.run_data import RunData
from flows.reports.published import published_figure, published_rows, sources
from tasks.numerics.metrics.registry import metric_of

_METRIC = Column(name="metric")
_COLUMNS = (
    Column(name="method"),
    Column(name="data set"),
    _METRIC,
    Column(name="published", kind="number"),
    Column(name="measured", kind="number"),
    Column(name="difference", kind="number", digits=2, help="measured minus published, with the measured interval"),
    Column(name="inside", help="whether the published number lies in the measured value's 95 % interval"),
)


def published_numbers(run: RunData) -> Section | None:
    """Return the section; None if no row has a published number."""
    rows = published_rows(run.rows)
    if rows.is_empty():
        return None
    metrics = rows["metric"].unique(maintain_order=True).to_list()
    kept = [i for i, column in enumerate(_COLUMNS) if column is not _METRIC or len(metrics) > 1]
    words = (
        f"{len(rows)} of the results have published numbers. {rows['inside'].sum()} of these lie inside the 95 % "
        "interval of the measured value; their own sampling errors are unknown. Fractions are in percent.",
        f"Where they were published: {'; '.join(sources(rows))}.",
    )
    table = Table(
        caption="Published and measured" + (f": {metric_of(metrics[0]).title}" if len(metrics) == 1 else ""),
        columns=tuple(_COLUMNS[i] for i in kept),
        rows=tuple(tuple(_cells(row)[i] for i in kept) for row in rows.iter_rows(named=True)),
    )
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
        Cell(text={True: "yes", False: "no", None: ""}[row["inside"]]),
    )
