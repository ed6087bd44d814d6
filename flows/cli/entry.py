"""The entry point of `dawin`: the registry of commands, and the exit status of each outcome.

Every command is a module of this package that bears the command's name (`store list` is `store_list.py`) and holds

- `EXAMPLES`: command lines that its help shows, without a prompt,
- `add_arguments(parser)`: its arguments,
- `execute(options)`: does the work and returns the exit status.

A new command is a new module and a line in `COMMANDS`. `dawin --help` imports none of these modules, and a command its
own only; they import polars, torch, Prefect, and the modules of ours that load these, in `execute` only.
"""

import argparse
import os
import sys
from collections.abc import Generator, Sequence
from importlib import import_module
from typing import Protocol, cast

from flows.cli.terminal import Parser, failure, print_refusal

COMMANDS = {
    "quickstart": "build a small example and run the whole pipeline on it",
    "init": "write an experiment file for the checkpoints and images in a folder",
    "run": "run an experiment, reusing everything in the store",
    "plan": "list the steps of an experiment, done and to do; compute nothing",
    "results": "show the results of the latest runs",
    "compare": "test which methods differ on the same samples, and by how much",
    "report": "write one page about a run: words, tables, charts and pictures",
    "leaderboard": "compare all runs: each checkpoint and method, as a table or a page",
    "predict": "apply a method of an experiment to other images",
    "ui": "show the runs of this machine in Prefect's pages",
    "watch": "run an experiment for each new checkpoint under its pattern",
    "calibrate": "fit a temperature for each model on a labelled data set",
    "inspect": "describe a checkpoint: its family, tower, head and preprocessing",
    "convert": "write a checkpoint's tower and head to a safetensors file",
    "export": "write the merged model of a method to a folder for others",
    "publish": "publish an exported folder on the Hugging Face Hub",
    "store list": "list the experiments, runs and tables of a store",
    "store verify": "find what is damaged in a store, and move it aside",
    "store prune": "remove old runs, and everything that no run needs",
    "schema": "print the JSON Schema of the experiment file, or of --json",
    "completion": "print a script that completes commands in bash, zsh or fish",
}
"""The commands in the order of `dawin --help`, each with its line there."""


class Command(Protocol):
    """The attributes of a command's module."""

    EXAMPLES: Sequence[str]

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
        standard error, and on a terminal one line for each fault of a request. With the environment variable
        DAWIN_TRACEBACK set, a failed run raises its error instead.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser(_asked(words)).parse_args(words)
    try:
        status: int = options.execute(options)
    except KeyboardInterrupt:
        print("dawin: interrupted; the next run continues from the objects in the store", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output, such as `head`, has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain when it flushes the output at its end
        return 0
    except Exception as error:
        if _is_wrong_request(error):
            print_refusal(error)
            return 2
        if os.environ.get("DAWIN_TRACEBACK"):
            raise
        print(f"dawin: {_reason(error)}", file=sys.stderr)
        return 1
    return status


def parser(names: Sequence[str] | None = None) -> Parser:
    """Return the parser of `dawin`.

    Args:
        names: the commands whose arguments it knows, and whose modules are imported; None: all. It lists all in any
            case.
    """
    width = max(map(len, COMMANDS))
    whole = Parser(
        prog="dawin",
        description="Training-free, per-sample interpolation of CLIP weights.",
        epilog="\n".join(["commands:", *(f"  {name:<{width}}  {line}" for name, line in COMMANDS.items())]),
        formatter_class=_WithoutCommands,
    )
    whole.add_argument("--version", action=_Version, help="print the versions of dawin, torch, Prefect and Python")
    commands = whole.add_subparsers(
        required=True, metavar="COMMAND", help="dawin COMMAND --help describes its arguments and shows examples"
    )
    groups: dict[str, argparse._SubParsersAction[Parser]] = {}
    for name, line in COMMANDS.items():
        group, _, action = name.rpartition(" ")
        if group and group not in groups:
            title = f"The commands of `dawin {group}`."
            of_group = commands.add_parser(group, help=title, description=title)
            groups[group] = of_group.add_subparsers(required=True, metavar="ACTION", help="one of them")
        place = groups[group] if group else commands
        command = place.add_parser(
            action, help=line, description=f"{_sentence(line)}", formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if names is None or name in names:
            module = _module(name)
            command.epilog = "\n".join(["examples:", *(f"  {example}" for example in module.EXAMPLES)])
            module.add_arguments(command)
            command.set_defaults(execute=module.execute)
    return whole


def _asked(words: Sequence[str]) -> list[str]:
    """Return the commands that a command line can mean, by its first words."""
    plain = [word for word in words if not word.startswith("-")]
    return [name for name in COMMANDS if plain and name.split()[0] == plain[0]]


def _module(name: str) -> Command:
    """Return the module of a command."""
    return cast(Command, import_module(f"flows.cli.{name.replace(' ', '_')}"))


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."


class _WithoutCommands(argparse.RawDescriptionHelpFormatter):
    """Leaves the list of commands to the epilog: argparse's own puts the help of long names on a second line."""

    def _iter_indented_subactions(self, _action: argparse.Action) -> Generator[argparse.Action, None, None]:
        yield from ()


class _Version(argparse.Action):
    """Prints the versions on which results depend, read from the installed packages without importing them."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        others = ", ".join(f"{name} {version(package)}" for name, package in _VERSIONS.items())
        print(f"dawin {version('dawin-pipeline')} ({others}, Python {sys.version.split()[0]})")
        parser.exit()


_VERSIONS = {"torch": "torch", "open_clip": "open_clip_torch", "Prefect": "prefect"}


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
