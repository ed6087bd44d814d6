"""Results as text: the short table, as wide as the console, and the lines below it."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from rich.console import Console
from rich.text import Text

from flows.reports.summary import Column, Figure, Row, Summary, summary_of
from storage.store import Store

_GAP = 2  # spaces between columns
_MARGINS_UP_TO = 110  # columns of a line with intervals; wider ones are hard to follow
_METRICS = {"top1": "top-1 accuracy, %", "top5": "top-5 accuracy, %"}
_NONE = "–"


def print_results(
    console: Console,
    rows: pl.DataFrame,
    store: Store,
    *,
    metric: str = "top1",
    all_rows: bool = False,
    datasets: Mapping[str, str] | None = None,
) -> None:
    """Print the results of one or several experiments: a table for each, and the lines that explain it.

    Args:
        console: on a terminal the best values are bold; elsewhere a `*` marks them.
        rows: results, as from `flows.reports.tables.results_of`, of all methods and metrics.
        store: holds the predictions, to which the lines point.
        metric: the metric of the table.
        all_rows: whether every method has a row, and further tables show the columns that do not fit.
        datasets: the digest of every data set by its name, in order, also of those without labels; None: those that
            have any rows.
    """
    names = rows["experiment"].unique(maintain_order=True).to_list()
    for number, name in enumerate(names):
        mine = rows.filter(experiment=name)
        digests = datasets or dict(mine.select("dataset", "dataset_digest").unique(maintain_order=True).iter_rows())
        summary = summary_of(mine, metric=metric, all_rows=all_rows, datasets=tuple(digests))
        if number:
            console.print()
        if len(names) > 1:
            console.print(Text(name, "bold"))
        for line in table_lines(summary, console, all_columns=all_rows):
            console.print(line)
        print_unlabelled(console, name, {one: digests[one] for one in summary.unlabelled}, store)


def print_unlabelled(console: Console, experiment: str, digests: Mapping[str, str], store: Store) -> None:
    """Print where the predictions on data sets without labels are; nothing if no such set exists.

    Args:
        console: the place to print to.
        experiment: its name.
        digests: the digest of each data set without labels by its name.
        store: holds the predictions.
    """
    if not digests:
        return
    verb = "has" if len(digests) == 1 else "have"
    console.print(Text(f"{', '.join(digests)} {verb} no labels, so no accuracies; the predictions are in"))
    for digest in digests.values():
        console.print(Text(f"  {store.address(f'predictions/dataset={digest}')}"), soft_wrap=True)
    console.print(Text(f"  dawin results {experiment} --samples -o predictions.parquet  writes them to one file"))


def table_lines(summary: Summary, console: Console, *, all_columns: bool = False) -> Iterator[Text]:
    """Yield the lines of a table, and of the notes that explain it.

    Args:
        summary: the table's content.
        console: its width limits the columns; `is_terminal` decides how the best values are marked.
        all_columns: whether columns that do not fit are shown in further tables; otherwise a line counts them.
    """
    if not summary.rows:
        return
    plain = not console.is_terminal
    everything = range(len(summary.columns))
    layouts = [_Layout(summary, plain, *choice) for choice in ((True, True), (False, True), (False, False))]
    layout = next((one for one in layouts if one.fits(everything, console.width)), layouts[-1])
    parts = layout.parts(console.width)
    for number, part in enumerate(parts if all_columns else parts[:1]):
        if number:
            yield Text()
        yield from layout.lines(part)
    shown = [i for part in (parts if all_columns else parts[:1]) for i in part]
    yield from layout.notes(shown)


class _Layout:
    """One way to write a table: with intervals or without, with long remarks or short ones."""

    def __init__(self, summary: Summary, plain: bool, margins: bool, long_remarks: bool) -> None:
        self._summary, self._plain, self._margins, self._long = summary, plain, margins, long_remarks
        self._names = [self._name(row) for row in summary.rows]
        sizes = {column.samples for column in summary.columns if column.samples is not None}
        self._one_size = next(iter(sizes)) if len(sizes) == 1 else None
        self._widths = [
            max(
                len(column.name),
                len(self._below(column)),
                *(len(self._value(row.figures[i])) for row in summary.rows),
            )
            for i, column in enumerate(summary.columns)
        ]

    def fits(self, columns: Sequence[int], width: int) -> bool:
        """Return whether the columns of these numbers fit."""
        limit = min(width, _MARGINS_UP_TO) if self._margins else width
        return self._width(columns) <= limit

    def parts(self, width: int) -> list[list[int]]:
        """Cut the numbers of all columns into tables that fit; each has one column at least."""
        parts: list[list[int]] = [[]]
        for number in range(len(self._widths)):
            if parts[-1] and self._width([*parts[-1], number]) > width:
                parts.append([])
            parts[-1].append(number)
        return parts

    def lines(self, part: Sequence[int]) -> Iterator[Text]:
        """Yield the lines of the table with these columns."""
        columns = [self._summary.columns[i] for i in part]
        yield self._line(Text("method"), [Text(column.name) for column in columns], part)
        if any(self._below(column) for column in columns):
            yield self._line(Text(), [Text(self._below(column), "dim") for column in columns], part)
        yield Text("─" * self._width(part), "dim")
        for row, name in zip(self._summary.rows, self._names, strict=True):
            line = self._line(name, [self._cell(row.figures[i]) for i in part], part)
            line.stylize("dim" if row.uses_labels else "")
            yield line

    def notes(self, part: Sequence[int]) -> Iterator[Text]:
        """Yield the lines below the tables, each only if they need it."""
        figures = [row.figures[i] for row in self._summary.rows for i in part]
        margins = sorted(figure.margin for figure in figures if figure and figure.margin is not None)
        facts = [_METRICS.get(self._summary.metric, self._summary.metric)]
        facts += [f"n = {self._one_size:,} a data set"] if self._one_size else []
        if margins:
            ends = " to ".join(dict.fromkeys(f"±{margin:.1f}" for margin in (margins[0], margins[-1])))
            facts.append("±: 95 % interval" if self._margins else f"95 % intervals {ends}")
        if any(figure and figure.is_best for figure in figures):
            whose = " that uses no labels" if any(row.uses_labels for row in self._summary.rows) else ""
            facts.append(f"{'*' if self._plain else 'bold'}: the best{whose}")
        yield Text("; ".join(facts), "dim")
        remarks = {row.remark for row in self._summary.rows if row.remark}
        if remarks and not self._long:
            yield Text(f"(best): of its family, {remarks.pop().removeprefix('best ')}", "dim")
        more = [f"{self._summary.hidden} more methods"] if self._summary.hidden else []
        if hidden := len(self._widths) - len(part):
            more.append(f"{hidden} more data sets" if hidden > 1 else "1 more data set")
        if more:
            yield Text(f"--all shows {' and '.join(more)}", "dim")
        names = {name for i in part for name in self._summary.columns[i].datasets}
        noted: dict[str, list[str]] = {}
        for name, note in self._summary.notes:
            noted.setdefault(note, []).extend([name] if name in names else [])
        yield from (Text(f"{', '.join(alike)}: {note}") for note, alike in noted.items() if alike)

    def _width(self, columns: Sequence[int]) -> int:
        return max(map(len, self._names)) + sum(_GAP + self._widths[i] for i in columns)

    def _line(self, name: Text, cells: Sequence[Text], part: Sequence[int]) -> Text:
        line = name.copy()
        line.pad_right(max(map(len, self._names)) - len(line))
        for i, cell in zip(part, cells, strict=True):
            line.append(" " * (_GAP + self._widths[i] - len(cell))).append_text(cell)
        line.rstrip()
        return line

    def _name(self, row: Row) -> Text:
        remark = row.remark if self._long else row.remark[:4]
        return Text.assemble(row.method, (f" ({remark})" if remark else "", "dim"), " (labels)" * row.uses_labels)

    def _below(self, column: Column) -> str:
        """Return the second line of a column's header."""
        if not column.has_labels:
            return "no labels"
        return "" if self._one_size or column.samples is None else f"n={column.samples:,}"

    def _value(self, figure: Figure | None) -> str:
        if figure is None:
            return _NONE + " " * self._plain
        margin = f" ±{figure.margin:.1f}" if self._margins and figure.margin is not None else ""
        return f"{figure.shown}{margin}" + ("*" if figure.is_best else " ") * self._plain

    def _cell(self, figure: Figure | None) -> Text:
        return Text(self._value(figure), "bold" if figure and figure.is_best else "")
