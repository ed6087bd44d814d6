"""`dawin completion`: print a script that completes commands, options and files in a shell."""

import argparse
from typing import Any

EXAMPLES = (
    "dawin completion bash > ~/.local/share/bash-completion/completions/dawin",
    "dawin completion zsh > ~/.zfunc/_dawin",
    "dawin completion fish > ~/.config/fish/completions/dawin.fish",
)
_SHELLS = ("bash", "zsh", "fish")
_FILES = frozenset({"FILE", "PATH", "URI"})
_FOLDERS = frozenset({"FOLDER"})
_EXPERIMENT = "EXPERIMENT.yaml|NAME"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `SHELL`."""
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help="bash, zsh or fish")


def execute(options: argparse.Namespace) -> int:
    """Print the script for the shell."""
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """Return the script that completes `dawin` in a shell.

    Args:
        shell: `bash`, `zsh` or `fish`.
    """
    import shtab

    from flows.cli.entry import parser
    from flows.experiment.file import named_experiments

    whole, names = parser(), " ".join(named_experiments())
    _mark(whole)
    fish = f"string split ' ' '{names}'; __fish_complete_path (commandline -ct)"
    preamble: Any = {  # which the library takes, and declares as text
        "bash": f'_dawin_experiments() {{ compgen -W "{names}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f'_dawin_experiments() {{ compadd {names}; _files -g "*.y*ml"; }}',
        "fish": f"function _dawin_experiments; {fish}; end",
    }
    text: str = shtab.complete(whole, shell=shell, preamble=preamble)
    return text


def _mark(parser: argparse.ArgumentParser) -> None:
    """Say of each argument of a parser, and of the parsers below it, what completes it: by the name of its value."""
    import shtab

    experiments = {"bash": "_dawin_experiments", "zsh": "_dawin_experiments", "fish": "(_dawin_experiments)"}
    for action in parser._actions:
        marked: Any = action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _mark(command)
        elif action.metavar == _EXPERIMENT:
            marked.complete = experiments
        elif action.metavar in _FILES:
            marked.complete = shtab.FILE
        elif action.metavar in _FOLDERS:
            marked.complete = shtab.DIRECTORY
