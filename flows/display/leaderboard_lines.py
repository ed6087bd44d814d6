"""The leaderboard as text: the methods of each checkpoint, the newest first, on the means that the terminal holds."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from flows.display.numbers import counted
from flows.pages.figures import signed
from flows.reports.boards import Board, BoardRun, Place
from flows.reports.summary import significant
from storage.catalogue.layout import NEWEST
from storage.text import shown

_GAP = 2  # spaces between columns
_LONGEST = 40  # characters of a checkpoint's names
_NONE = "–"
_OTHER_BASE = "†"


def print_boards(console: Console, boards: Sequence[Board], *, all_rows: bool = False) -> None:
    """Print the leaderboard of each experiment.

    Args:
        console: its width limits the columns; on a terminal the best values are bold, elsewhere a `*` marks them.
        boards: the leaderboards, each of the newest ten runs at least, and of all runs for `all_rows`.
        all_rows: whether every run and every method has a row.
    """
    if not boards:
        console.print(Text("no labels, so no accuracies; the predictions are in the store"))
    for number, board in enumerate(boards):
        if number:
            console.print()
        for line in _Lines(board, plain=not console.is_terminal, all_rows=all_rows).lines(console.width):
            console.print(line, soft_wrap=True)


class _Lines:
    """The lines of one experiment's leaderboard."""

    def __init__(self, board: Board, *, plain: bool, all_rows: bool) -> None:
        self._board, self._plain = board, plain
        runs = list(reversed(board.runs))
        self._runs = runs if all_rows else runs[:NEWEST]
        self._methods = board.methods if all_rows else board.short
        rows = [(run, method) for run in self._runs for method in self._methods if self._has(run, method)]
        self._rows = [(run, method, i == 0 or rows[i - 1][0] is not run) for i, (run, method) in enumerate(rows)]
        self._best = [self._highest(place) for place in board.places]

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines: a title, the table, and what explains it."""
        yield Text(self._board.experiment, "bold")
        table = [self._head(), *(self._row(*row) for row in self._rows)]
        columns = list(zip(*table, strict=True))
        widths = [max(len(cell) for cell in column) for column in columns]
        used = 3
        while used < len(widths) and sum(widths[: used + 1]) + _GAP * used <= width:
            used += 1
        for number, row in enumerate(table):
            if number == 1:
                yield Text("─" * (sum(widths[:used]) + _GAP * (used - 1)), "dim")
            line = Text()
            for i, cell in enumerate(row[:used]):
                pad = " " * (widths[i] - len(cell))
                line.append(" " * _GAP * (i > 0)).append_text(Text(pad) + cell if i > 2 else cell + Text(pad))
            line.rstrip()
            yield line
        yield from self._notes(len(widths) - used)

    def _head(self) -> list[Text]:
        names = ["time (UTC)", "checkpoint", "method", "vs base", *(place.title for place in self._board.places)]
        return [Text(shown(name)) for name in names]

    def _row(self, run: BoardRun, method: str, is_first: bool) -> list[Text]:
        style = "dim" if method in self._board.with_labels else ""
        mark = " (labels)" if style else ""
        new = " new" if run.is_new else ""
        head = [f"{run.at:%Y-%m-%d %H:%M}", shown(run.checkpoint or run.base, _LONGEST) + new] if is_first else ["", ""]
        gain = run.gain(method, self._board.places[0]) if method != run.base else None
        values = [self._value(run, method, number) for number in range(len(self._board.places))]
        cells = [Text(text) for text in head]
        other = _OTHER_BASE if self._board.has_other_base(run) else ""
        cells += [
            Text(shown(method) + mark, style),
            Text(_NONE if gain is None else signed(gain), style) + Text(other * (gain is not None)),
        ]
        return [*cells, *values]

    def _value(self, run: BoardRun, method: str, number: int) -> Text:
        found = run.of(method, self._board.places[number])
        text = significant(found.value) if found else _NONE
        uses_labels = method in self._board.with_labels
        is_best = text == self._best[number] and not uses_labels
        style = "dim" if uses_labels else "bold" if is_best else ""
        return Text(text + ("*" if is_best else " ") * self._plain, style)

    def _has(self, run: BoardRun, method: str) -> bool:
        return any(run.of(method, place) for place in self._board.places)

    def _highest(self, place: Place) -> str:
        """Return the highest accuracy of the rows that compare, as text; empty where all of them are equal."""
        runs = {run.run_id for run in self._board.comparable(place)}
        found = {
            accuracy.value
            for run, method, _ in self._rows
            if run.run_id in runs and method not in self._board.with_labels and (accuracy := run.of(method, place))
        }
        return significant(max(found)) if len({significant(value) for value in found}) > 1 else ""

    def _notes(self, hidden: int) -> Iterator[Text]:
        first = self._board.places[0]
        mark = "*" if self._plain else "bold"
        facts = f"top-1 accuracy, %; vs base: {first.title} minus the base's, points; {mark}: highest without labels"
        yield Text(facts, "dim")
        if any(self._board.has_other_base(run) for run in self._runs):
            yield Text(f"{_OTHER_BASE}: against another base model than that of the newest run", "dim")
        runs, methods = self._board.total - len(self._runs), len(self._board.methods) - len(self._methods)
        left = [counted(count, unit) for count, unit in ((runs, "more runs"), (methods, "more methods")) if count]
        wider = f"a wider terminal shows {counted(hidden, 'more means')}" if hidden else ""
        if left or hidden:
            yield Text("; ".join(filter(None, (f"--all shows {' and '.join(left)}" if left else "", wider))), "dim")
