"""Text for a terminal: each error on one line, without control characters and without credentials."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TypeVar

N = TypeVar("N")

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
    from flows.errors import DatasetsFailed

    if isinstance(error, DatasetsFailed):
        return one_line(error)
    return f"the run failed: {type(error).__name__}: {one_line(error)}"


def refusal(error: Exception, width: int | None = None) -> str:
    """Return the message of a wrong request.

    Args:
        error: reports one fault or several.
        width: columns of the terminal that shows it, where each of several faults has a line of its own; None: the
            message is one line.
    """
    faults = getattr(error, "faults", ())
    if width is None or len(faults) < 2:
        return f"dawin: {one_line(error)}"
    title = one_line(getattr(error, "title", "")) or "wrong request"
    lines = [f"dawin: {title}: {len(faults)} faults"]
    for fault in faults:  # an address is not cut, so that it can be copied
        lines += textwrap.wrap(
            one_line(fault.text),
            max(width, _NARROWEST),
            initial_indent="  ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def print_refusal(error: Exception) -> None:
    """Print the message of a wrong request on standard error: several lines on a terminal, else one."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print(refusal(error, width), file=sys.stderr)


_NARROWEST = 40  # columns


class Parser(argparse.ArgumentParser):
    """An argument parser whose error messages are safe to print, and name the words that are close to a wrong one."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and a message on one line, and exit with status 2."""
        self.print_usage(sys.stderr)
        command = self.prog.partition(" ")[2]
        self.exit(2, f"dawin: {command}{': ' if command else ''}{one_line(message)}\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: N | None = None
    ) -> tuple[Any, list[str]]:
        """Parse arguments; an option that the command does not have is an error, and names those close to it."""
        found, rest = super().parse_known_args(args, namespace)
        if unknown := [word for word in rest if word.startswith("-")]:
            option = unknown[0].partition("=")[0]
            known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
            self.error(f"no such option {option}{_near(option, known) or '; known: ' + ', '.join(known)}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401  as argparse has it
        if action.choices is None or value in action.choices:
            return
        names = list(map(str, action.choices))
        near = _near(str(value), names)
        if action.option_strings:
            text = f"wanted one of {', '.join(names)}, got '{value}'{near}"
            raise argparse.ArgumentError(action, text)
        kind = "action" if " " in self.prog else "command"
        self.error(f"no such {kind} '{value}'{near or '; known: ' + ', '.join(names)}")


def _near(word: str, known: Iterable[str]) -> str:
    from tasks.errors import did_you_mean

    return did_you_mean(word, known)
