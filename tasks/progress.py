"""Progress of long work: the command line draws it as bars; without a listener, it becomes log lines."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

_LOG_EVERY = 15.0  # seconds

log = logging.getLogger("dawin.progress")


class Listener(Protocol):
    """A receiver of progress, of several pieces of work at the same time."""

    def started(self, description: str, total: int, *, stage: str, unit: str) -> int:
        """Begin a piece of work.

        Args:
            description: a few words that name the work.
            total: its size in units.
            stage: the part of a run that the work belongs to, such as `extract`; several pieces belong to one stage.
            unit: of the total, in the plural: images, steps of a training, classes of a head.

        Returns:
            The number that identifies the work in the other calls.
        """

    def advanced(self, work: int, samples: int) -> None:
        """Count more units as done.

        Args:
            work: the number that `started` returned.
            samples: the number of units since the last call.
        """

    def ended(self, work: int) -> None:
        """End a piece of work, which is done or has failed.

        Args:
            work: the number that `started` returned.
        """


class LogLines:
    """A listener that logs the progress of each piece of work every 15 seconds."""

    def __init__(self) -> None:
        self._started: list[tuple[str, int]] = []
        self._done: dict[int, int] = {}
        self._logged_at: dict[int, float] = {}

    def started(self, description: str, total: int, *, stage: str, unit: str) -> int:
        """See `Listener`."""
        self._started.append((description, total))
        number = len(self._started) - 1
        self._done[number], self._logged_at[number] = 0, time.monotonic()
        return number

    def advanced(self, work: int, samples: int) -> None:
        """See `Listener`."""
        self._done[work] += samples
        if time.monotonic() - self._logged_at[work] >= _LOG_EVERY:
            description, total = self._started[work]
            log.info("%s: %d of %d", description, self._done[work], total)
            self._logged_at[work] = time.monotonic()

    def ended(self, work: int) -> None:
        """See `Listener`."""


_default = LogLines()
_listener: ContextVar[Listener] = ContextVar("listener")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the progress of all work inside the `with` to a listener.

    Args:
        listener: receives it, instead of the log.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def work(description: str, total: int, *, stage: str | None = None, unit: str = "images") -> Iterator["Work"]:
    """Announce a piece of work and yield the object that counts its progress.

    Args:
        description: a few words that name the work.
        total: its size in units.
        stage: the part of a run that the work belongs to; None: the work is a stage of its own.
        unit: of the total, in the plural: images, steps of a training, classes of a head.
    """
    listener = _listener.get(_default)
    number = listener.started(description, total, stage=stage or description, unit=unit)
    try:
        yield Work(listener, number)
    finally:
        listener.ended(number)


class Work:
    """A piece of work that a listener follows.

    Args:
        listener: receives the progress.
        number: identifies the work to the listener.
    """

    def __init__(self, listener: Listener, number: int) -> None:
        self._listener, self._number = listener, number

    def advance(self, samples: int) -> None:
        """Count more units as done.

        Args:
            samples: the number of units since the last call.
        """
        self._listener.advanced(self._number, samples)
