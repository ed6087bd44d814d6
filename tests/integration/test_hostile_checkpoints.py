"""Small hostile files are refused in one line each, soon and in little memory, and none of their code runs."""

import os
import re
import subprocess
import sys

import pytest
import tiny
from hostile_files import OTHERS, SAFETENSORS, ZIPS
from hostile_pickles import MARKER, PICKLES

pytestmark = pytest.mark.xdist_group("watched")  # one worker makes the files for all tests

FILES = {**PICKLES, **ZIPS, **SAFETENSORS, **OTHERS}
NUMBERS = {name: number for number, name in enumerate(FILES)}
PLANNED = (  # one for each reader and each way to refuse
    "a storage's key of nested tuples", "modules shared 2^40 times", "64 Mi opcodes", "a bytearray of 2.5 GiB",
    "a call", "one storage looked at again and again", "files that overlap", "a header of lists", "an HTML page",
)  # fmt: skip
_SECONDS = 5.0
_LINE = 1000  # characters of a message, at most


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A folder with all hostile files, whose names hold their numbers."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (make, _) in FILES.items():
        (folder / f"hostile-{NUMBERS[name]:03d}.pt").write_bytes(make())
    return folder


def refused(confined, folder, message, *command):
    """Run a command that has to refuse its input in one line; return the line."""
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
def test_inspect_refuses_every_hostile_file_in_one_line(confined, hostile, name):
    """The command ends within 5 s and 512 MiB, with exit status 2, and executes nothing that the file holds."""
    file = f"hostile-{NUMBERS[name]:03d}.pt"
    assert f"{file}: " in refused(confined, hostile, FILES[name][1], "inspect", file)


@pytest.mark.parametrize("name", PLANNED)
def test_plan_refuses_hostile_checkpoints_in_one_line(confined, hostile, tmp_path, name):
    """The line begins with the model's name and the file's address, and nothing is written to the store."""
    file = tiny.experiment(tmp_path, samples=6)
    (tmp_path / "tuned.pt").unlink()
    (tmp_path / "tuned.pt").symlink_to(hostile / f"hostile-{NUMBERS[name]:03d}.pt")
    line = refused(confined, tmp_path, FILES[name][1], "plan", file, "--store", "store")
    assert line.startswith("dawin: model tuned: file://")
    assert not (tmp_path / "store").exists()


def test_a_folder_is_not_a_checkpoint(confined, tmp_path):
    """A folder is refused in one line that names the files it should hold."""
    (tmp_path / "folder.pt").mkdir()
    refused(confined, tmp_path, r"folder\.pt: a folder without model\.safetensors", "inspect", "folder.pt")


LOOK = """
import logging, sys
from flows.experiment.file import load_experiment
from flows.planning.new_checkpoints import new_checkpoints
from storage.store import Store

logging.basicConfig(format="%(message)s")
found = [new.name for new in new_checkpoints(load_experiment(sys.argv[1]), Store(sys.argv[2]))]
print(found, sorted({"torch", "open_clip"} & set(sys.modules)))
"""


def test_a_look_finds_the_good_checkpoint_behind_every_hostile_file(hostile, tmp_path):
    """One look names each bad file in one line, finds the good ones, and loads no torch in its own process."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    file = tiny.experiment(tmp_path, samples=6, models=models, merge={"granularity": ["samples"], "offset": False})
    folder = tmp_path / "finetuned"
    folder.mkdir()
    for path in hostile.glob("*.pt"):
        (folder / path.name).hardlink_to(path)
    names = [b"c[1].pt", b"d*.pt", b"\x1b[2J.pt", b"\xff.pt", b"e\xe2\x80\xaegpj.pt"]
    for number, name in enumerate(names):
        tiny.checkpoint(tmp_path / "strange.pt", 20 + number)
        os.rename(tmp_path / "strange.pt", os.path.join(os.fsencode(folder), name))
    os.mkfifo(folder / "pipe.pt")
    (folder / "broken.pt").symlink_to("nowhere.pt")
    tiny.checkpoint(folder / "zz-good.pt", 5)

    command = [sys.executable, "-c", LOOK, file, str(tmp_path / "store")]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert outcome.stdout == "['c[1].pt', 'zz-good.pt'] []\n", outcome
    passed = outcome.stderr.splitlines()
    assert [line for line in passed if ": passed over: " not in line or not line.isprintable()] == []
    assert sum("rename it" in line for line in passed) == len(names) - 1, passed  # the name with brackets can be used
    for name, number in NUMBERS.items():
        assert sum(f"/hostile-{number:03d}.pt: passed over" in line for line in passed) == 1, name
    assert not list(tmp_path.rglob(MARKER))
