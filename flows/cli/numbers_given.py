"""Numbers on the command line, read and checked."""

import argparse
import math


def whole_number(text: str) -> int:
    """Return a whole number of at least 0.

    Args:
        text: as it stands on the command line.

    Raises:
        argparse.ArgumentTypeError: the text is no such number; the parser puts the argument's name before the message.
    """
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"wanted a whole number of at least 0, got {text!r}")
    return int(text)


def number(text: str) -> float:
    """Return a number of at least 0, which is not infinite.

    Args:
        text: as it stands on the command line.

    Raises:
        argparse.ArgumentTypeError: the text is no such number; the parser puts the argument's name before the message.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a number of at least 0, got {text!r}")
    return found


def positive(text: str) -> int:
    """Return a whole number of at least 1.

    Args:
        text: as it stands on the command line.

    Raises:
        argparse.ArgumentTypeError: the text is no such number; the parser puts the argument's name before the message.
    """
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"wanted a whole number of at least 1, got {text!r}")
    return int(text)
