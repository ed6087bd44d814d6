"""`dawin watch` looks at each checkpoint in a process of its own: no file can stop the others."""

import os
import re
import subprocess
import sys

import pytest
import tiny
from hostile_files import OTHERS, SAFETENSORS, ZIPS
from hostile_pickles import MARKER, PICKLES

from flows import looking
from flows.looking import confined_look
from storage.locations import Location
from tasks.errors import CheckpointError

pytestmark = pytest.mark.xdist_group("landing")

LOOK = """
import logging, sys
from flows.experiment import load_experiment
from flows.landing import new_checkpoints
from storage.store import Store

logging.basicConfig(format="%(message)s")
found = [landed.name for landed in new_checkpoints(load_experiment(sys.argv[1]), Store(sys.argv[2]))]
print(found, sorted({"torch", "open_clip"} & set(sys.modules)))
"""


def test_a_look_finds_the_good_checkpoint_behind_every_hostile_file(tmp_path):
    """One look over all of them, strange names too: one line each, the good one found, no torch in its own process."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    file = tiny.experiment(tmp_path, samples=6, models=models, merge={"granularity": ["samples"], "offset": False})
    folder = tmp_path / "finetuned"
    folder.mkdir()
    makers = [make for make, _ in {**PICKLES, **ZIPS, **SAFETENSORS, **OTHERS}.values()]
    for number, make in enumerate(makers):
        (folder / f"hostile-{number:03d}.pt").write_bytes(make())
    names = [b"a::b.pt", b"c[1].pt", b"d*.pt", b"\x1b[2J.pt", b"\xff.pt", b"e\xe2\x80\xaegpj.pt"]
    for number, name in enumerate(names):
        tiny.checkpoint(tmp_path / "strange.pt", 20 + number)
        os.rename(tmp_path / "strange.pt", os.path.join(os.fsencode(folder), name))
    os.mkfifo(folder / "pipe.pt")
    (folder / "broken.pt").symlink_to("nowhere.pt")
    tiny.checkpoint(folder / "zz-good.pt", 5)

    command = [sys.executable, "-c", LOOK, file, str(tmp_path / "store")]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert re.search(r"'zz-good\.pt'\] \[\]$", outcome.stdout), outcome
    passed = outcome.stderr.splitlines()
    assert all(": passed over, " in line and line.isprintable() for line in passed), passed
    for number in range(len(makers)):
        assert sum(f"/hostile-{number:03d}.pt: passed over" in line for line in passed) == 1, number
    assert not list(tmp_path.rglob(MARKER))


@pytest.fixture
def checkpoint(tmp_path):
    return Location(tiny.checkpoint(tmp_path / "good.pt", 1))


@pytest.fixture
def questions(monkeypatch):
    """The addresses that the other process was asked about."""
    asked = []
    ask = looking._server.ask
    monkeypatch.setattr(looking._server, "ask", lambda question: asked.append(question["url"]) or ask(question))
    return asked


def test_a_look_that_takes_too_long_is_ended_and_not_tried_again(checkpoint, questions, monkeypatch):
    """Its fork is ended by a signal; the same bytes are refused without another one."""
    monkeypatch.setattr(looking, "_SECONDS", 0.001)
    monkeypatch.setattr(looking, "_BYTES_A_SECOND", 1e18)
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"good\.pt: a look at it took more than 0 s"):
            confined_look("model", checkpoint, None, None)
    assert questions == [checkpoint.url]


def test_a_look_that_needs_too_much_memory_is_refused(checkpoint, monkeypatch):
    """With no memory beyond its own a fork reads nothing; the next one is as good as new."""
    monkeypatch.setattr(looking, "_MEMORY", -(1 << 30))
    monkeypatch.setattr(looking, "_COPIES", 0)
    with pytest.raises(CheckpointError, match=r"good\.pt: a look at it, limited to -1,024 MiB, was refused memory"):
        confined_look("model", checkpoint, None, None)
    monkeypatch.undo()
    looking._refused.clear()
    assert confined_look("model", checkpoint, None, None)["classes"] == tiny.CLASSES


def test_a_server_that_was_ended_is_started_anew(checkpoint):
    """The system takes the memory of whom it will."""
    first = confined_look("model", checkpoint, None, None)
    looking._server._process.kill()
    assert confined_look("model", checkpoint, None, None) == first


def test_what_was_refused_is_looked_at_again_when_it_changes(checkpoint, questions):
    """A file that was refused while it was written is not refused for ever."""
    path = checkpoint.path
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(whole[:1000])
    for _ in range(3):
        with pytest.raises(CheckpointError, match=r"good\.pt: not a checkpoint, or a truncated one"):
            confined_look("model", checkpoint, None, None)
    assert questions == [checkpoint.url]
    with open(path, "wb") as file:
        file.write(whole)
    assert confined_look("model", checkpoint, None, None)["classes"] == tiny.CLASSES
    assert questions == [checkpoint.url] * 2


def test_limits_grow_with_the_file():
    """A ViT-bigG-14 in float32, 10.2 GB, has 83 GB of address space and 18 minutes; a small file 1 GiB and a minute."""
    for size, memory, seconds in ((0, 1 << 30, 60), (10_200_000_000, 82.6e9, 1080)):
        limits = looking._limits(size)
        assert limits["memory"] == pytest.approx(memory, rel=0.01)
        assert limits["seconds"] == pytest.approx(seconds, rel=0.01)
