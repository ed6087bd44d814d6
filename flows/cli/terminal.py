"""Text for a terminal: each error on one line, without control characters and without credentials."""

import argparse
from typing import NoReturn

_LONGEST = 20_000  # characters: all faults of an experiment with eight models and data sets take 5,000


def one_line(error: Exception | str) -> str:
    """Return a message on one line of bounded length, without control characters and credentials."""
    from storage.credentials import without_credentials
    from storage.text import shown

    return shown(without_credentials(" ".join(str(error).split())), _LONGEST)


def failure(error: Exception) -> str:
    """Return the line that reports the error of a failed run."""
    if isinstance(error, MemoryError):
        return "the run failed: not enough memory"
    return f"the run failed: {type(error).__name__}: {one_line(error)}"


class Parser(argparse.ArgumentParser):
    """An argument parser whose error messages are safe to print."""

    def error(self, message: str) -> NoReturn:
        """Print a message on one line and exit with status 2."""
        super().error(one_line(message))
