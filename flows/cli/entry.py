"""The entry point of `dawin`: the registry of commands, and the exit status of each outcome.

Every command is a module of this package that bears the command's name and holds

- `HELP`: one line for the list of commands,
- `add_arguments(parser)`: its arguments,
- `execute(options)`: does the work and returns the exit status.

A new command is a new module and a name in `COMMANDS`. `dawin --help` imports all of these modules, so they import
polars, torch, Prefect, and the modules of ours that load these, in `execute` only.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from flows.cli.terminal import Parser, failure, one_line

COMMANDS = ("quickstart", "run", "plan", "results", "leaderboard", "watch", "calibrate", "inspect", "convert")
"""Names of the commands, and of their modules, in the order of `dawin --help`."""


class Command(Protocol):
    """The attributes of a command's module."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""

    def execute(self, options: argparse.Namespace) -> int:
        """Run the command and return its exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        arguments: the words after `dawin`; None: those of this process.

    Returns:
        0 when the command has done its work, 1 when a run failed, 2 when the request is wrong. Errors are one line on
        standard error; with the environment variable DAWIN_TRACEBACK set, a failed run raises its error instead.
    """
    options = parser().parse_args(arguments)
    try:
        status: int = options.execute(options)
    except KeyboardInterrupt:
        print("dawin: interrupted; the next run continues from the objects in the store", file=sys.stderr)
        return 1
    except Exception as error:
        if _is_wrong_request(error):
            print(f"dawin: {one_line(error)}", file=sys.stderr)
            return 2
        if os.environ.get("DAWIN_TRACEBACK"):
            raise
        print(f"dawin: {_reason(error)}", file=sys.stderr)
        return 1
    return status


def parser() -> Parser:
    """Return the parser of `dawin`, with a parser for each registered command."""
    modules = {name: cast(Command, import_module(f"flows.cli.{name}")) for name in COMMANDS}
    width = max(map(len, COMMANDS))
    whole = Parser(
        prog="dawin",
        description="Training-free, per-sample interpolation of CLIP weights.",
        # argparse's own list of commands puts the help of long names on a second line
        epilog="\n".join(["commands:", *(f"  {name:<{width}}  {one.HELP}" for name, one in modules.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(
        required=True, metavar="COMMAND", help="dawin COMMAND --help describes its arguments"
    )
    for name, module in modules.items():
        command = commands.add_parser(name, description=f"{module.HELP[:1].upper()}{module.HELP[1:]}.")
        module.add_arguments(command)
        command.set_defaults(execute=module.execute)
    return whole


def _is_wrong_request(error: Exception) -> bool:
    from storage.errors import StorageError
    from tasks.errors import InputError

    return isinstance(error, InputError | StorageError)


def _reason(error: Exception) -> str:
    """Return the line that reports a failed run."""
    from flows.workers.embedded_api import prefect_api

    reason = prefect_api.trouble()
    return f"the run failed: {reason}" if reason else f"{failure(error)} (DAWIN_TRACEBACK=1 shows where)"


if __name__ == "__main__":
    sys.exit(main())
