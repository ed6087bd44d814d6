"""The stages of a run while it runs: how much each has to do, how much is done, and since when."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_ORDER = (
    *("train", "upgrade", "extract", "make heads", "make models", "learn"),
    *("fit", "evaluate", "mix outputs", "aggregate", "write"),
)


@dataclass
class Stage:
    """A part of a run: several pieces of work, mostly one for each data set, counted together."""

    name: str
    unit: str
    """Of the counts, in the plural."""
    planned: int = 0
    """Units that the plan says are to do."""
    announced: int = 0
    """Units of all pieces of work that have begun."""
    done: int = 0
    open: int = 0
    """Pieces of work that have begun and not ended."""
    item: str = ""
    """The piece of work that began last."""
    _earlier: float = 0.0
    _began: float | None = None
    _ended: float = 0.0

    @property
    def total(self) -> int:
        """Units to do: as planned, or more if more have begun."""
        return max(self.planned, self.announced)

    @property
    def has_begun(self) -> bool:
        """Whether a piece of its work has begun."""
        return self._began is not None or self._earlier > 0

    @property
    def is_finished(self) -> bool:
        """Whether all of its work is done."""
        return self.has_begun and not self.open and self.done >= self.total

    @property
    def seconds(self) -> float:
        """Time from the begin of its first piece of work to the end of its last, without the time of other stages."""
        if self._began is None:
            return self._earlier
        return self._earlier + (time.monotonic() if self.open else self._ended) - self._began

    def begin(self, total: int, item: str) -> None:
        """Count a piece of work that begins."""
        self._began = time.monotonic() if self._began is None else self._began
        self.announced += total
        self.open += 1
        self.item = item

    def end(self) -> None:
        """Count a piece of work that has ended."""
        self.open -= 1
        self._ended = time.monotonic()

    def pause(self) -> None:
        """Stop the clock, because another stage begins. Another data set may start it again."""
        if self._began is not None and not self.open:
            self._earlier += self._ended - self._began
            self._began = None


class Stages:
    """A listener of progress that adds up the work of each stage.

    Args:
        observe: called after each change with the stage and the event: `began`, `advanced` or `ended`.
    """

    def __init__(self, observe: Callable[[Stage, str], None] | None = None) -> None:
        self._observe = observe or (lambda _stage, _event: None)
        self._stages: dict[str, Stage] = {}
        self._work: list[Stage] = []
        self._lock = threading.RLock()

    @property
    def all(self) -> list[Stage]:
        """The stages that are planned or have begun, in the order of a run; those of no run come first."""
        with self._lock:
            found = list(self._stages.values())
        return sorted(found, key=lambda stage: _ORDER.index(stage.name) if stage.name in _ORDER else -1)

    def plan(self, stages: Iterable[Stage]) -> None:
        """Add stages that will begin, with their planned counts; those without work are left out."""
        with self._lock:
            self._stages |= {stage.name: stage for stage in stages if stage.planned}

    def started(self, description: str, total: int, *, stage: str, unit: str) -> int:
        """See `tasks.progress.Listener`."""
        with self._lock:
            found = self._stages.setdefault(stage, Stage(stage, unit))
            if found.unit != unit:  # workers do the work, and only their runs are counted here
                found.unit, found.planned = unit, 0
            for other in self._stages.values():
                if other is not found:
                    other.pause()
            found.begin(total, description)
            self._work.append(found)
            number = len(self._work) - 1
        self._observe(found, "began")
        return number

    def advanced(self, work: int, samples: int) -> None:
        """See `tasks.progress.Listener`."""
        with self._lock:
            self._work[work].done += samples
        self._observe(self._work[work], "advanced")

    def ended(self, work: int) -> None:
        """See `tasks.progress.Listener`."""
        with self._lock:
            self._work[work].end()
        self._observe(self._work[work], "ended")
