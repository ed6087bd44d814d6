"""Published numbers beside measured ones, as text below a table of results."""

from collections.abc import Sequence

import polars as pl
from rich.console import Console
from rich.text import Text

from flows.reports.published import CAVEAT, NUMBERS, published_rows, published_table, sources
from storage.text import shown
from tasks.numerics.metrics.registry import metric_of

_GAP = 2  # spaces between columns
# columns to leave out: the first choice that fits, or the last one
_LEFT_OUT = ((), ("95 % interval",), ("95 % interval", "difference"))


def print_published(console: Console, rows: pl.DataFrame, metric: str) -> None:
    """Print the published numbers of a metric, the measured values, and whether they agree; nothing without any.

    Args:
        console: its width limits the columns.
        rows: results of one experiment, as from `flows.reports.tables.results_of`.
        metric: the metric of the table above.
    """
    found = published_rows(rows)
    mine = found.filter(metric=metric)
    if len(mine):
        console.print()
        described = metric_of(metric)
        title = f"published and measured {described.title}, {described.unit}".removesuffix(", ")
        console.print(Text(title, "bold"))
        for line in _lines(_fitting(published_table(mine, metric), console.width)):
            console.print(line, soft_wrap=True)
        console.print(Text(CAVEAT, "dim"))
        for source in sources(mine):
            console.print(Text(f"published: {shown(source, 2000)}", "dim"))
    if others := [name for name in found["metric"].unique(maintain_order=True) if name != metric]:
        options = " or ".join(f"--metric {name}" for name in others)
        console.print(Text(f"{options} shows published numbers of other metrics", "dim"))


def _fitting(table: pl.DataFrame, width: int) -> pl.DataFrame:
    """Return the table with as many of its columns as fit; the last choice is taken in any case."""
    choices = [table.drop(names) for names in _LEFT_OUT]
    return next((one for one in choices if sum(_widths(one)) + _GAP * (one.width - 1) <= width), choices[-1])


def _widths(table: pl.DataFrame) -> list[int]:
    return [max(map(len, (column.name, *column))) for column in table]


def _lines(table: pl.DataFrame) -> Sequence[Text]:
    """Return the lines of a table of texts; the values of a row that does not agree are bold."""
    widths = _widths(table)

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.rjust(width) if name in NUMBERS else cell.ljust(width)
            for name, cell, width in zip(table.columns, cells, widths, strict=True)
        ]
        return (" " * _GAP).join(aligned).rstrip()

    rule = Text("─" * (sum(widths) + _GAP * (len(widths) - 1)), "dim")
    return [Text(line(table.columns)), rule, *(Text(line(row), "bold" * (row[-1] == "no")) for row in table.rows())]
