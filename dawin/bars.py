"""Progress bars in notebooks and scripts: widgets where a notebook shows them, text elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.progress import listening


class NotebookBars:
    """A progress listener that draws a tqdm bar for each piece of work."""

    def __init__(self) -> None:
        self._bars: list[Any] = []

    def started(self, description: str, total: int, *, stage: str, unit: str) -> int:
        """Draw the bar of a piece of work, and return its number."""
        from tqdm.auto import tqdm

        self._bars.append(tqdm(total=total, desc=description, leave=False, unit=f" {unit}"))
        return len(self._bars) - 1

    def advanced(self, work: int, samples: int) -> None:
        """Advance a bar."""
        self._bars[work].update(samples)

    def ended(self, work: int) -> None:
        """Remove the bar of a piece of work that has ended."""
        self._bars[work].close()


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Draw progress bars inside the block, unless nothing is to be shown.

    Args:
        shown: whether to draw them.
    """
    if not shown:
        yield
        return
    with listening(NotebookBars()):
        yield
