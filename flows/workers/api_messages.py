"""What the embedded API prints of its troubles: one line each, and the fatal one for the command that started it."""

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

_UNWRITABLE = (  # what SQLite and the system call it
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
_DROPPED = "dropped"  # by the recorder of task runs, after it has tried again five times

_REPEAT_SECONDS = 5.0

_reported: list[float] = []


def keep_messages_short() -> None:
    """Show one line for each trouble, without tracebacks; call once Prefect has set its logging up."""
    if os.environ.get("DAWIN_TRACEBACK"):
        return
    for name in (None, "uvicorn", "fastapi", "prefect._internal"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(OneLine())


def report_to_command(trouble: str) -> None:
    """Tell the command that started this API, every few seconds, why its run cannot go on.

    Standard output is a pipe that `embedded.trouble` reads. Nobody may be reading it: it never makes this process wait.
    """
    if not _just_reported():
        _reported.append(time.monotonic())
        with suppress(OSError):  # the pipe is full, or the command is gone
            os.set_blocking(sys.stdout.fileno(), False)
            os.write(sys.stdout.fileno(), f"{time.time():.0f} {trouble}\n".encode())


def _just_reported() -> bool:
    return bool(_reported) and time.monotonic() < _reported[-1] + _REPEAT_SECONDS


class OneLine(logging.Filter):
    """Cuts messages to a line; leaves out what is tried again, and what the command reports itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a message, as one line, that nobody else reports."""
        lines = [line for line in record.getMessage().splitlines() if line.strip()] or [""]
        error = record.exc_info[1] if record.exc_info else None
        causes = [_first_line(cause) for cause in _chain(error)] if error else lines  # uvicorn logs tracebacks as text
        for cause in causes:
            if any(words in cause.lower() for words in _UNWRITABLE):
                database = f"Prefect's database under PREFECT_HOME={PREFECT_HOME.value()}"
                report_to_command(f"{database} cannot be written: {_CLASSES.sub('', cause)}")
                return False
        passing = isinstance(error, CancelledError) or (error and any(_LOCKED in cause for cause in causes))
        follows = (
            bool(_reported) and "drop" in lines[0].lower()
        )  # of a database that could not be written, however late
        if _just_reported() or follows or (passing and not _drops(lines[0])):
            return False  # the command reports the first; who gets the last has gone or tries again: api_database.py
        named = [line for line in lines if _ERROR_LINE.match(line)] or lines
        record.msg, record.args = (f"{lines[0]} ({causes[0]})" if error else named[-1]), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def _drops(message: str) -> bool:
    return _DROPPED in message and f"0 {_DROPPED}" not in message


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error, the errors it was raised from, and those of a group."""
    while error is not None:
        yield error
        for part in getattr(error, "exceptions", ()):
            yield from _chain(part)
        error = error.__cause__ or error.__context__
