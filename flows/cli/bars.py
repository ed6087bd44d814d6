"""Progress bars on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tasks.progress import listening


class Bars:
    """A progress listener that draws one bar for each piece of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def started(self, description: str, total: int) -> int:
        """Draw the bar of a piece of work of `total` samples, and return its number."""
        return int(self._progress.add_task(description, total=total))

    def advanced(self, work: int, samples: int) -> None:
        """Advance a bar by a number of samples."""
        self._progress.advance(TaskID(work), samples)

    def ended(self, work: int) -> None:
        """Remove the bar of a piece of work that has ended."""
        self._progress.remove_task(TaskID(work))


@contextmanager
def bars() -> Iterator[None]:
    """Draw progress bars inside the block if standard error is a terminal; otherwise log lines report progress."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress, listening(Bars(progress)):
        yield
