"""The registry of commands: each command is one documented file, and the help of `dawin` loads nothing large."""

import argparse
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import flows.cli
from flows.cli.entry import COMMANDS, main, parser

# modules that are no commands
PARTS = {"__init__", "__main__", "bars", "entry", "numbers_given", "options", "running", "terminal"}


def module_of(name):
    """Return a command's module."""
    return import_module(f"flows.cli.{name.replace(' ', '_')}")


class Documented(argparse.ArgumentParser):
    """A parser that takes no argument without a help text."""

    def add_argument(self, *names, **options):
        assert len(options.get("help", "")) > 5, names
        return super().add_argument(*names, **options)


def test_every_module_is_a_registered_command_or_a_known_part():
    """A command's file that nobody registered, and a registered command without a file of its own, are found."""
    files = {path.stem for path in Path(flows.cli.__file__).parent.glob("*.py")}
    assert files - PARTS == {name.replace(" ", "_") for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_describes_itself(name, capsys):
    """Its help begins with its line of the list of commands."""
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    line = COMMANDS[name]
    assert len(line) > 20
    assert f"{line[0].upper()}{line[1:]}." in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_are_command_lines_that_it_takes(name, capsys):
    """Its help shows at least one, and the parser accepts each."""
    examples = module_of(name).EXAMPLES
    assert examples
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    shown = capsys.readouterr().out
    for example in examples:
        assert f"  {example}\n" in shown
        first, *words = shlex.split(example.partition(" > ")[0])  # a script is redirected into its file
        assert first == "dawin"
        assert parser().parse_args(words).execute == module_of(name).execute


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_documents_each_argument(name):
    """No argument is without a help text."""
    module_of(name).add_arguments(Documented(add_help=False))


def test_the_help_lists_every_command_with_its_line(capsys):
    """One line for each command, in the order of the registry."""
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("commands:\n")[2].splitlines()
    assert [re.split(" {2,}", line.strip()) for line in listed] == [[name, line] for name, line in COMMANDS.items()]


def test_the_help_loads_no_large_library():
    """Neither torch nor Prefect, polars or pyarrow: they take a second and more, and the help is text."""
    large = {"torch", "open_clip", "prefect", "polars", "pyarrow", "scipy", "numpy", "pydantic", "yaml", "rich"}
    program = (
        "import sys, flows.cli\n"
        "try:\n    flows.cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted({large} & sys.modules.keys()))\n"
        "print(sorted(name for name in sys.modules if name.startswith(('tasks', 'storage', 'flows.planning'))))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-2:] == ["[]", "[]"]


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run"], ["results", "--format", "tab\x1ble"]])
def test_a_wrong_command_line_exits_with_status_2_and_prints_no_control_character(arguments, capsys):
    """Without a traceback, and with the usage of the command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert "usage: dawin" in shown
    assert "\x1b" not in shown
