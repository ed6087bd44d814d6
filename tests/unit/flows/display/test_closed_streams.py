"""Consoles of streams that the caller has closed."""

import sys

import pytest

from flows.display.consoles import standard_error, standard_output


@pytest.mark.parametrize(("name", "console"), [("stdout", standard_output), ("stderr", standard_error)])
def test_a_closed_stream_takes_everything_and_shows_nothing(monkeypatch, name, console):
    """Python has None in the place of a closed standard stream (`2>&-`)."""
    monkeypatch.setattr(sys, name, None)
    made = console()
    made.print("a line")
    assert not made.is_terminal
