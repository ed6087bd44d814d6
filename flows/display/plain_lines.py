"""Progress as plain lines: one when a stage begins, one when it has ended, and one every 15 seconds between."""

import time

from rich.console import Console

from flows.display.numbers import counted, duration, rate
from flows.display.stages import Stage

_EVERY = 15.0  # seconds


class PlainLines:
    """Prints the progress of stages; `Stages` calls it.

    Args:
        console: any stream.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed_at: dict[str, float] = {}
        self._open: dict[str, Stage] = {}

    def __call__(self, stage: Stage, event: str) -> None:
        """Print the line that an event of a stage deserves, if any."""
        now = time.monotonic()
        if event == "began" and stage.name not in self._open:
            for other in [one for one in self._open.values() if one.is_finished]:
                self._end(other)
            self._open[stage.name] = stage
            self._printed_at[stage.name] = now
            self._print(f"{stage.name}: {counted(stage.total, stage.unit)}")
        elif event == "ended" and stage.planned and stage.is_finished:
            self._end(stage)
        elif event == "advanced" and now - self._printed_at[stage.name] >= _EVERY:
            self._printed_at[stage.name] = now
            left = duration(stage.seconds * (stage.total - stage.done) / stage.done) if stage.done else "?"
            done = f"{stage.done:,} of {stage.total:,}"
            self._print(f"{stage.name}: {done}, {rate(stage.done, stage.seconds)}, {left} left")

    def close(self, *, is_done: bool = False) -> None:
        """Print the last lines of the stages that have none yet.

        Args:
            is_done: whether all work is done, also where another run did a part of what was planned.
        """
        for stage in list(self._open.values()):
            self._end(stage, is_done=is_done)

    def _end(self, stage: Stage, *, is_done: bool = False) -> None:
        self._open.pop(stage.name, None)
        speed = rate(stage.done, stage.seconds)
        done = "done" if is_done or stage.is_finished else f"{stage.done:,} of {stage.total:,}"
        self._print(f"{stage.name}: {done} in {duration(stage.seconds)}{f', {speed}' if speed else ''}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)
