"""Small files that attack: each is one line of refusal, soon, in little memory, and nothing in them runs."""

import re

import pytest
from hostile_files import OTHERS, SAFETENSORS, ZIPS
from hostile_pickles import MARKER, PICKLES

FILES = {**PICKLES, **ZIPS, **SAFETENSORS, **OTHERS}
_SECONDS = 5.0
_LINE = 1000  # characters that a person may be asked to read


def refused(confined, folder, message, *command):
    """Run a command that has to refuse; return its line."""
    outcome = confined(*command, folder=folder, seconds=_SECONDS)
    assert outcome.status == 2, outcome
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome
    assert lines[0].startswith("dawin: ")
    assert lines[0].isprintable()
    assert len(lines[0]) < _LINE
    assert re.search(message, lines[0]), lines[0]
    assert not outcome.out
    assert not (folder / MARKER).exists()
    return lines[0]


@pytest.mark.parametrize("name", FILES)
def test_inspect_refuses_every_hostile_file_in_one_line(confined, tmp_path, name):
    """Within 5 s and 512 MiB beyond the process's own, exit status 2, nothing executed."""
    make, message = FILES[name]
    (tmp_path / "hostile.pt").write_bytes(make())
    assert "hostile.pt: " in refused(confined, tmp_path, message, "inspect", "hostile.pt")
