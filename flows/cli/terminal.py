"""What reaches a terminal: one line an error, without what a terminal would obey, and without secrets."""

import argparse
from typing import NoReturn

from storage.credentials import without_credentials
from storage.text import shown

_LONGEST = 20_000  # characters: all faults of an experiment with eight models and data sets take 5,000


def one_line(error: Exception | str) -> str:
    """Return a message as a terminal may be given it: no control characters, no credentials, of bounded length."""
    return shown(without_credentials(" ".join(str(error).split())), _LONGEST)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in the same way."""

    def error(self, message: str) -> NoReturn:
        """See argparse."""
        super().error(one_line(message))


def failure(error: Exception) -> str:
    """Return what a run's end is reported with."""
    if isinstance(error, MemoryError):
        return "the run failed: not enough memory"
    return f"the run failed: {type(error).__name__}: {one_line(error)}"
