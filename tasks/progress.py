"""Progress of long work, told to whoever listens: the command line draws bars; by default there are log lines."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

_LOG_EVERY = 15.0  # seconds

log = logging.getLogger("dawin.progress")


class Listener(Protocol):
    """Hears of work that goes on."""

    def started(self, description: str, total: int) -> int:
        """Begin a piece of work of `total` samples; return its number."""

    def advanced(self, work: int, samples: int) -> None:
        """So many more samples are done."""

    def ended(self, work: int) -> None:
        """The work is over, done or failed."""


class LogLines:
    """Says how far the work is, every few seconds."""

    def __init__(self) -> None:
        self._works: list[tuple[str, int]] = []
        self._done: dict[int, int] = {}
        self._said: dict[int, float] = {}

    def started(self, description: str, total: int) -> int:
        """See `Listener`."""
        self._works.append((description, total))
        number = len(self._works) - 1
        self._done[number], self._said[number] = 0, time.monotonic()
        return number

    def advanced(self, work: int, samples: int) -> None:
        """See `Listener`."""
        self._done[work] += samples
        if time.monotonic() - self._said[work] >= _LOG_EVERY:
            description, total = self._works[work]
            log.info("%s: %d of %d", description, self._done[work], total)
            self._said[work] = time.monotonic()

    def ended(self, work: int) -> None:
        """See `Listener`."""


_default = LogLines()
_listener: ContextVar[Listener] = ContextVar("listener")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send progress to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def work(description: str, total: int) -> Iterator["Work"]:
    """Do a piece of work of `total` samples."""
    listener = _listener.get(_default)
    number = listener.started(description, total)
    try:
        yield Work(listener, number)
    finally:
        listener.ended(number)


class Work:
    """Work that goes on."""

    def __init__(self, listener: Listener, number: int) -> None:
        self._listener, self._number = listener, number

    def advance(self, samples: int) -> None:
        """So many more samples are done."""
        self._listener.advanced(self._number, samples)
