"""Published numbers beside the measured ones."""

import polars as pl

from flows.pages.figures import figure, signed
from flows.pages.parts import Cell, Column, Section, Table
from flows.pages.run_data import RunData
from tasks.numerics.metrics.registry import METRICS


def published_numbers(run: RunData) -> Section | None:
    """Return the section; None if no row has a published number."""
    if "published" not in run.rows.columns:
        return None
    rows = run.rows.filter(pl.col("published").is_not_null())
    if not len(rows):
        return None
    metrics = {metric.name: metric for metric in METRICS}
    cells = []
    for row in rows.iter_rows(named=True):
        metric = metrics.get(row["metric"])
        scale = 100.0 if metric and metric.unit == "%" else 1.0
        difference = scale * (row["value"] - row["published"])
        ends = (row["ci_low"], row["ci_high"])
        low, high = (None if end is None else scale * (end - row["published"]) for end in ends)
        cells.append(
            (
                Cell(text=row["method"]),
                Cell(text=row["dataset"]),
                Cell(text=metric.title if metric else row["metric"]),
                Cell(text=figure(scale * row["published"]), value=scale * row["published"]),
                Cell(text=figure(scale * row["value"]), value=scale * row["value"]),
                Cell(text=signed(difference), value=difference, low=low, high=high),
                Cell(text=row["published_source"] or ""),
            )
        )
    columns = (
        Column(name="method"),
        Column(name="data set"),
        Column(name="metric"),
        Column(name="published", kind="number"),
        Column(name="measured", kind="number"),
        Column(name="difference", kind="number", help="measured minus published, with the measured value's interval"),
        Column(name="source"),
    )
    outside = sum(1 for row in rows.iter_rows(named=True) if _is_outside(row))
    words = (
        f"{len(rows)} of these numbers are published. {len(rows) - outside} of them lie inside the 95 % interval of "
        "the measured value. Fractions are in percent.",
    )
    table = Table(caption="Published and measured", columns=columns, rows=tuple(cells))
    return Section(id="published", title="Published and measured", words=words, parts=(table,))


def _is_outside(row: dict[str, float | None]) -> bool:
    low, high, published = row["ci_low"], row["ci_high"], row["published"]
    return low is not None and high is not None and published is not None and not low <= published <= high
