"""The live block on a terminal: a line for each stage, with a bar for those that have begun and are not finished."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flows.display.numbers import counted, duration, rate
from flows.display.stages import Stage, Stages

_BAR = 24
_NAME = 13  # the longest name of a stage


class LiveBlock:
    """Draws the stages while the block runs, and leaves a line for each at its end.

    Args:
        stages: what is drawn.
        console: a terminal.
        waiting: what happens before any work begins, in words.
    """

    def __init__(self, stages: Stages, console: Console, waiting: str) -> None:
        self._stages, self._console, self._waiting = stages, console, waiting
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._block, refresh_per_second=8, transient=True)

    def __enter__(self) -> "LiveBlock":
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._live.stop()
        for stage in self._stages.all:
            if stage.has_begun:
                self._console.print(summary_line(stage, stage.is_finished or kind is None))

    def _block(self) -> RenderableType:
        stages = self._stages.all
        grid = Table.grid(padding=(0, 1, 0, 0))
        active = [stage for stage in stages if stage.has_begun and not stage.is_finished]
        waiting = [stage for stage in stages if not stage.has_begun]
        if not stages:
            return Spinner("dots", Text(self._waiting, "dim"), style="cyan")
        first = next(iter(active or waiting), None)
        grid.add_column(width=1)
        grid.add_column()
        for stage in stages:
            if stage.is_finished:
                grid.add_row(Text("✓", "green"), summary_line(stage, True)[2:])
            elif stage.has_begun:
                grid.add_row(self._spinner, _bar(stage, self._console.width))
            else:
                grid.add_row(self._spinner if stage is first else "", Text(stage.name, "dim"))
        if first is None:  # between two stages, or at the end
            grid.add_row(self._spinner, "")
        return grid


def summary_line(stage: Stage, is_finished: bool) -> Text:
    """Return the line of a stage that has ended.

    Args:
        stage: the stage.
        is_finished: whether its work is done; otherwise the line says how far it came.
    """
    mark = ("✓ ", "green") if is_finished else ("✗ ", "red")
    count = counted(stage.done, stage.unit)
    if not is_finished:
        count = f"{stage.done:,} of {stage.total:,} {stage.unit}"
    speed = rate(stage.done, stage.seconds)
    words = f"{stage.name:<{_NAME}}  {count:<27} {duration(stage.seconds):>10}  {speed:>9}".rstrip()
    return Text.assemble(mark, words)


def _bar(stage: Stage, width: int) -> RenderableType:
    """Return the bar of a stage that has begun, with what fits beside it."""
    seconds, total = stage.seconds, stage.total
    grid = Table.grid(padding=(0, 2, 0, 0))
    left = duration(seconds * (total - stage.done) / stage.done) if stage.done and seconds > 1 else ""
    cells: Sequence[RenderableType] = (
        Text(f"{stage.name:<{_NAME}}"),
        ProgressBar(total=max(total, 1), completed=min(stage.done, total), width=_BAR),
        Text(f"{stage.done:,} of {total:,}"),
        Text(rate(stage.done, seconds), "dim"),
        Text(f"{left} left" if left else ""),
        Text(stage.item if width >= 100 else "", "dim", no_wrap=True, overflow="ellipsis"),
    )
    grid.add_row(*cells)
    return grid
