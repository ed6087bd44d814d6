"""The display of work that a command does: progress and warnings on standard error."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.display.screen import Screen


def bars(options: argparse.Namespace | None = None, waiting: str = "starting") -> "Screen":
    """Return a context that shows the progress of the work inside it, and its warnings.

    Args:
        options: `quiet` and `verbose` of the command, where it has them.
        waiting: what happens before any work begins, in words.
    """
    from flows.display.screen import Screen

    quiet, verbose = getattr(options, "quiet", False), getattr(options, "verbose", False)
    return Screen(quiet=quiet, verbose=verbose, waiting=waiting)
