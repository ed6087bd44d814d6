"""Which streams get styles and bars."""

import io

import pytest

from flows.display.consoles import console_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "is_terminal"),
    [
        (Terminal(), {"TERM": "xterm-256color"}, True),
        (Terminal(), {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm-256color"}, False),
        (io.StringIO(), {"TERM": "xterm-256color", "FORCE_COLOR": "1"}, False),
    ],
)
def test_a_terminal_that_takes_styles_gets_them_and_nothing_else_does(monkeypatch, stream, variables, is_terminal):
    """A file has lines of any length, a terminal its own width; neither gets an escape code unless it takes them."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**variables, "COLUMNS": "90", "LINES": "20"}.items():
        monkeypatch.setenv(name, value)
    console = console_of(stream)
    assert console.is_terminal is is_terminal
    assert console.width == (90 if stream.isatty() else 10_000)
    console.print("a word", style="bold")
    assert ("\x1b" in stream.getvalue()) is is_terminal
