"""MkDocs hook: a page's line `::commands` becomes the help text of every command, as the command line prints it."""

import contextlib
import io
import os
import re
from typing import Any
from unittest import mock

from flows.cli import main

_MARK = "::commands"
_COMMAND = re.compile(r"^ {2,4}([a-z][a-z-]*(?: [a-z]+)?)(?: {2,}\S|$)", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401  whatever MkDocs passes
    """Return the page with the help texts in the place of its mark."""
    return "\n".join(command_help() if line == _MARK else line for line in markdown.split("\n"))


def command_help() -> str:
    """Return a Markdown section for each command."""
    return "\n\n".join(f"### `dawin {name}`\n\n```text\n{_help(*name.split())}\n```" for name in commands())


def commands() -> list[str]:
    """Return the names of all commands, in the order of `dawin --help`."""
    listed = _COMMAND.findall(_help())
    if not listed:
        raise ValueError("dawin --help: wanted a list of commands, got none")
    return listed


def _help(*command: str) -> str:
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return printed.getvalue().rstrip()
