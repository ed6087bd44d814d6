"""Progress bars on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tasks.progress import listening


class Bars:
    """Draws a bar for each piece of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def started(self, description: str, total: int) -> int:
        """See `tasks.progress.Listener`."""
        return int(self._progress.add_task(description, total=total))

    def advanced(self, work: int, samples: int) -> None:
        """See `tasks.progress.Listener`."""
        self._progress.advance(TaskID(work), samples)

    def ended(self, work: int) -> None:
        """See `tasks.progress.Listener`."""
        self._progress.remove_task(TaskID(work))


@contextmanager
def bars() -> Iterator[None]:
    """Show bars for the time of the block when standard error is a terminal; else leave it to log lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress, listening(Bars(progress)):
        yield
