"""Log messages of the embedded API: one line each, and a report to its command if the database cannot be written."""

import errno
import logging
import os
import re
import sys
import time
from asyncio import CancelledError
from collections.abc import Iterator
from contextlib import suppress

from prefect.settings import PREFECT_HOME

_UNWRITABLE = (  # in the words of SQLite and of the system
    "database or disk is full",
    "disk i/o error",
    "attempt to write a readonly database",
    "unable to open database file",
    os.strerror(errno.ENOSPC).lower(),
    os.strerror(errno.EDQUOT).lower(),
)
_LOCKED = "database is locked"
_ERROR_LINE = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit)\b")  # the last line of a traceback
_CLASSES = re.compile(r"^[\w.]+: (\([\w.]+\) )?")  # "OperationalError: (sqlite3.OperationalError) "
_DROPPED = "dropped"  # a word of the recorder of task runs, after it has tried five times

_REPEAT_SECONDS = 5.0


def keep_messages_short() -> None:
    """Cut the messages of all handlers to one line without a traceback; call this after Prefect's logging set-up."""
    if os.environ.get("DAWIN_TRACEBACK"):
        return
    one_line = OneLine()
    for name in (None, "uvicorn", "fastapi", "prefect._internal"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(one_line)


class OneLine(logging.Filter):
    """Cuts messages to one line, and removes those that the command reports or that concern a repeated attempt.

    A database that cannot be written is reported to the command instead; later messages follow from that.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reported_at: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep a record, after cutting its message to one line."""
        lines = [line for line in record.getMessage().splitlines() if line.strip()] or [""]
        error = record.exc_info[1] if record.exc_info else None
        causes = [_first_line(cause) for cause in _chain(error)] if error else lines  # uvicorn logs tracebacks as text
        for cause in causes:
            if any(words in cause.lower() for words in _UNWRITABLE):
                database = f"Prefect's database under PREFECT_HOME={PREFECT_HOME.value()}"
                self._report(f"{database} cannot be written: {_CLASSES.sub('', cause)}")
                return False
        if self._was_just_reported:
            return False
        if self._reported_at is not None and "drop" in lines[0].lower():
            return False  # events dropped for want of a database, however much later
        is_repeated = isinstance(error, CancelledError) or (error and any(_LOCKED in cause for cause in causes))
        if is_repeated and not _drops(lines[0]):
            return False  # the sender is gone, or tries again: see api_database.py
        named = [line for line in lines if _ERROR_LINE.match(line)] or lines
        record.msg, record.args = (f"{lines[0]} ({causes[0]})" if error else named[-1]), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True

    @property
    def _was_just_reported(self) -> bool:
        return self._reported_at is not None and time.monotonic() < self._reported_at + _REPEAT_SECONDS

    def _report(self, trouble: str) -> None:
        """Send the command, at most every few seconds, the reason why its run cannot continue.

        Standard output is a pipe to `EmbeddedApi.trouble`. It may be full or closed, which never blocks this process.
        """
        if not self._was_just_reported:
            self._reported_at = time.monotonic()
            with suppress(OSError):
                os.set_blocking(sys.stdout.fileno(), False)
                os.write(sys.stdout.fileno(), f"{time.time():.0f} {trouble}\n".encode())


def _drops(message: str) -> bool:
    return _DROPPED in message and f"0 {_DROPPED}" not in message


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the errors of its group, and its causes."""
    while error is not None:
        yield error
        for part in getattr(error, "exceptions", ()):
            yield from _chain(part)
        error = error.__cause__ or error.__context__
