"""The consoles of standard output and standard error: styles and bars where a terminal takes them, else plain lines."""

import os
import sys
from typing import TextIO

from rich.console import Console

_UNLIMITED = 10_000  # columns of a file or a pipe: its reader wraps long lines, or does not


def standard_output() -> Console:
    """Return the console of results."""
    return console_of(sys.stdout or _closed())


def standard_error() -> Console:
    """Return the console of progress and warnings."""
    return console_of(sys.stderr or _closed())


def _closed() -> TextIO:
    """Return a stream for the place of one that the caller has closed (`2>&-`)."""
    return open(os.devnull, "w")


def console_of(stream: TextIO) -> Console:
    """Return the console of a stream.

    Args:
        stream: a terminal gets styles and a live block, unless `NO_COLOR` is set or `TERM` is `dumb`; everything else
            gets plain lines without control characters.

    Returns:
        A console whose `is_terminal` says which of both it is; its width is that of the terminal, and without limit
        where no terminal is.
    """
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")  # a terminal of another encoding shows `?` for the character `±`
    is_tty = stream.isatty()
    if is_tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", ""):
        return Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
    width = Console(file=stream).width if is_tty else _UNLIMITED
    return Console(
        file=stream, force_terminal=False, color_system=None, width=width, highlight=False, markup=False, emoji=False
    )
