"""Comparisons as text: one table for each metric, at most 100 columns wide."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from flows.comparison.comparison import ComparedDataset, Comparison
from flows.comparison.comparison_lines import HEAD, Line, has_other, lines_of, metric_text, notes_of, title_of
from flows.display.header import shown_address
from storage.text import shown

_WIDEST = 100  # columns of a line; longer ones are hard to follow
_GAP = 2
_LEAST = ("detectable", "p", "value")
_SHORTEST = 24  # columns of the names of methods


def print_comparison(console: Console, found: Comparison) -> None:
    """Print a comparison: a table for each metric, and the lines that explain it.

    Args:
        console: on a terminal references are bold; elsewhere they stand further left.
        found: the comparison.
    """
    width, printed = min(_WIDEST, console.width), ""
    for number, metric in enumerate(found.metrics):
        if number:
            console.print()
        console.print(Text(metric_text(metric), "bold"), soft_wrap=True)
        mine = [column for column in found.columns() if column.metric == metric]
        for line in _table(mine, found, width):
            console.print(line, soft_wrap=True)
            printed += line.plain
    console.print()
    for note in notes_of(found):
        column = note.partition(":")[0]
        if column in _LEAST and column not in printed:
            continue  # a narrow terminal has no such column
        for part in textwrap.wrap(note, width, subsequent_indent="  "):
            console.print(Text(part, "dim"), soft_wrap=True)
    unkept = "the store cannot be written, so the table was not kept"
    console.print(Text(f"table: {shown_address(found.table)}" if found.table else unkept, "dim"), soft_wrap=True)


def _table(columns: Sequence[ComparedDataset], found: Comparison, width: int) -> Iterator[Text]:
    names = [name for name in HEAD[1:] if name != "other" or has_other(found)]
    blocks = [(column, list(lines_of(column, found))) for column in columns]
    every = [line for _, lines in blocks for line in lines]
    widths = {name: max(len(name), *(len(_cell(line, name)) for line in every)) for name in names}
    longest = max(len(_name(line)) for line in every)
    for name in _LEAST:  # narrow terminals show the names of methods rather than these columns
        if _room(widths, width) < min(longest, _SHORTEST) and name in names:
            names.remove(name)
            del widths[name]
    longest = min(longest, max(_room(widths, width), 1))
    head = "".join(f"{'':<{_GAP}}{name:>{widths[name]}}" for name in names)
    yield Text(f"{'':<{longest}}{head}", "dim")
    for number, (column, lines) in enumerate(blocks):
        if number:
            yield Text()
        yield Text(title_of(column), "bold")
        for line in lines:
            name = shown(_name(line))
            if len(name) > longest:
                name = f"{name[: longest - 1]}…"
            cells = "".join(f"{'':<{_GAP}}{_cell(line, one):>{widths[one]}}" for one in names)
            text = Text(f"{name:<{longest}}{cells} {line.mark}".rstrip())
            text.stylize("bold" if line.is_reference else "dim" if line.uses_labels else "")
            yield text


def _room(widths: Mapping[str, int], width: int) -> int:
    """Return the columns that are left for the names of methods; the last two are those of the mark."""
    return width - sum(_GAP + one for one in widths.values()) - 2


def _name(line: Line) -> str:
    indent = "" if line.is_reference else "  "
    return f"{indent}{line.method}{' (labels)' * line.uses_labels}"


def _cell(line: Line, name: str) -> str:
    return str(line[HEAD.index(name)])
