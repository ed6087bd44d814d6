"""Warnings during a run: each distinct one is printed once, on one line."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storage.credentials import without_credentials
from storage.text import shown

_LONGEST = 2_000  # characters
_SOURCE = re.compile(r"^.*?:\d+: ")  # of a Python warning: file and line


class WarningLines(logging.Handler):
    """A handler that prints each distinct warning once.

    Args:
        show: prints one line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show
        self.printed: dict[str, None] = {}
        """The warnings so far, in order."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record's message, unless it was printed before."""
        text = record.getMessage()
        if record.name == "py.warnings":
            text = _SOURCE.sub("", text.strip().splitlines()[0])
        self.warn(text)

    def warn(self, text: str) -> None:
        """Print a warning, unless it was printed before."""
        line = shown(without_credentials(" ".join(text.split())), _LONGEST)
        if line not in self.printed:
            self.printed[line] = None
            self._show(line)


@contextmanager
def instead_of_log_lines(handler: logging.Handler) -> Iterator[None]:
    """Give the warnings of this program, and those of Python, to a handler and to no console.

    Handlers of these loggers, such as the one that sends the log lines of a run to Prefect's API, get them as before.

    Args:
        handler: receives the warnings while the block runs.
    """
    loggers = [logging.getLogger(name) for name in ("dawin", "py.warnings")]
    before = [logger.propagate for logger in loggers]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, propagates in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagates
