"""The layout of a table of results on a given width: its columns, intervals, remarks and notes."""

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from flows.display.numbers import counted
from flows.reports.summary import Column, Figure, Row, Summary
from storage.text import shown
from tasks.numerics.metrics.accuracy import TOP1
from tasks.numerics.metrics.registry import metric_of

_GAP = 2  # spaces between columns
_MARGINS_UP_TO = 110  # columns of a line with intervals; longer ones are hard to follow
_LONGEST = 2_000  # characters of a note
_NONE = "–"


def chosen_layout(summary: Summary, width: int, *, plain: bool) -> "Layout":
    """Return the layout that says most and shows all columns; if none does, the one that says least.

    Args:
        summary: the table's content.
        width: columns of the terminal.
        plain: whether a `*` marks the best values, instead of bold type.
    """
    choices = [Layout(summary, plain, *choice) for choice in ((True, True), (False, True), (False, False))]
    return next((one for one in choices if one.fits(range(len(summary.columns)), width)), choices[-1])


class Layout:
    """One way to write a table: with intervals or without, with long remarks or short ones."""

    def __init__(self, summary: Summary, plain: bool, margins: bool, long_remarks: bool) -> None:
        self._summary, self._plain, self._margins, self._long = summary, plain, margins, long_remarks
        self._names = [self._name(row) for row in summary.rows]
        sizes = {column.samples for column in summary.columns if column.samples is not None}
        self._one_size = next(iter(sizes)) if len(sizes) == 1 else None
        self._widths = [
            max(
                len(shown(column.name)),
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
        yield self._line(Text("method"), [Text(shown(column.name)) for column in columns], part)
        if any(self._below(column) for column in columns):
            yield self._line(Text(), [Text(self._below(column), "dim") for column in columns], part)
        yield Text("─" * self._width(part), "dim")
        for row, name in zip(self._summary.rows, self._names, strict=True):
            line = self._line(name, [self._cell(row.figures[i]) for i in part], part)
            line.stylize("dim" if row.uses_labels else "")
            yield line

    def notes(self, part: Sequence[int], known: Sequence[str] = ()) -> Iterator[Text]:
        """Yield the lines below the tables with these columns, each only if they need it.

        Args:
            part: numbers of the columns.
            known: warnings that a reader has seen; notes that say the same are left out.
        """
        figures = [row.figures[i] for row in self._summary.rows for i in part]
        margins = sorted((f for f in figures if f and f.margin is not None), key=lambda f: f.margin or 0.0)
        metric = metric_of(self._summary.metric)
        facts = [f"{metric.title}, {metric.unit}".removesuffix(", ")]
        facts += [f"{metric.better} is better"] if metric.better == "lower" else []
        facts += [f"n = {self._one_size:,} each"] if self._one_size else []
        if margins:
            ends = " to ".join(dict.fromkeys(_margin(one, metric.unit) for one in (margins[0], margins[-1])))
            facts.append("±: 95 % interval, its longer side" if self._margins else f"95 % intervals {ends}")
        if any(figure and figure.is_best for figure in figures):
            whose = " without labels" if any(row.uses_labels for row in self._summary.rows) else ""
            facts.append(f"{'*' if self._plain else 'bold'}: best of these rows{whose}")
        yield Text("; ".join(facts), "dim")
        if any(figure and figure.is_tied for figure in figures):
            mark, tests = ("~" if self._plain else "underlined"), f"{self._summary.tests:,}"
            yield Text(f"{mark}: not distinguishable from the best ({self._tests(part)}; Holm, {tests} pairs)", "dim")
        remarks = {row.remark for row in self._summary.rows if row.remark}
        if remarks and not self._long:
            yield Text(f"(best): of its family, {remarks.pop().removeprefix('best ')}", "dim")
        names = {name for i in part for name in self._summary.columns[i].datasets}
        noted: dict[str, list[str]] = {}
        for name, whole in self._summary.notes:
            seen = [text.removeprefix(f"data set {name}: ") for text in known]
            note = "; ".join(part for part in whole.split("; ") if not any(part in text for text in seen))
            noted.setdefault(note, []).extend([name] if name in names and note else [])
        yield from (Text(shown(f"{', '.join(alike)}: {note}", _LONGEST)) for note, alike in noted.items() if alike)

    def hidden(self, part: Sequence[int]) -> str:
        """Return, in words, how much tables with these columns leave out; empty if nothing."""
        columns = len(self._widths) - len(part)
        counts = ((self._summary.hidden, "more methods"), (columns, "more data sets"))
        return " and ".join(counted(count, unit) for count, unit in counts if count)

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
        return Text.assemble(
            shown(row.method), (f" ({remark})" if remark else "", "dim"), " (labels)" * row.uses_labels
        )

    def _below(self, column: Column) -> str:
        """Return the second line of a column's header."""
        if not column.has_labels:
            return "no labels"
        return "" if self._one_size or column.samples is None else f"n={column.samples:,}"

    def _value(self, figure: Figure | None) -> str:
        if figure is None:
            return _NONE + " " * self._plain
        is_margin_shown = self._margins and figure.margin is not None
        margin = f" {_margin(figure, metric_of(self._summary.metric).unit)}" if is_margin_shown else ""
        return f"{figure.shown}{margin}" + self._mark(figure) * self._plain

    def _cell(self, figure: Figure | None) -> Text:
        text = Text(self._value(figure), "bold" if figure and figure.is_best else "")
        if figure and figure.is_tied:
            text.stylize("underline", 0, len(figure.shown))
        return text

    @staticmethod
    def _mark(figure: Figure) -> str:
        return "*" if figure.is_best else "~" if figure.is_tied else " "

    def _tests(self, part: Sequence[int]) -> str:
        """Return, in words, by which tests the values of these columns are compared."""
        means = [self._summary.columns[i].samples is None for i in part]
        if self._summary.metric != TOP1.name or all(means):
            return "paired bootstrap"
        return "exact McNemar, means: bootstrap" if any(means) else "exact McNemar"


def _margin(figure: Figure, unit: str) -> str:
    """Return half an interval, rounded up: an interval never looks shorter than it is.

    Percentages have one decimal. Other units have none of their own size, so the margin has the decimals of its value.
    """
    decimals = 1 if unit == "%" else len(figure.shown.partition(".")[2])
    assert figure.margin is not None  # only figures with an interval have a margin
    return f"±{math.ceil(figure.margin * 10**decimals - 1e-9) / 10**decimals:.{decimals}f}"
