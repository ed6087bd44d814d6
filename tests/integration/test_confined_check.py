"""`dawin watch` checks each checkpoint in a process of its own: no file can stop the others."""

import pytest
import tiny

from flows.experiment.file import load_experiment
from flows.planning.confined_check import Limits, confined_check, limits_of, server
from flows.planning.new_checkpoints import new_checkpoints
from storage.locations import Location
from storage.store import Store
from tasks.errors import CheckpointError, FitError

pytestmark = pytest.mark.xdist_group("watched")


@pytest.fixture
def checkpoint(tmp_path):
    return Location(tiny.checkpoint(tmp_path / "good.pt", 1))


@pytest.fixture
def questions(monkeypatch):
    """The addresses that the other process was asked about."""
    asked = []
    ask = server.ask
    monkeypatch.setattr(server, "ask", lambda question: asked.append(question["url"]) or ask(question))
    return asked


def test_a_second_look_asks_no_process(tmp_path, questions):
    """The store remembers good checkpoints, and this process the refused ones."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    experiment = load_experiment(tiny.experiment(tmp_path, samples=6, models=models, **settings))
    tiny.checkpoint(tmp_path / "finetuned" / "good.pt", 5)
    (tmp_path / "finetuned" / "bad.pt").write_bytes(b"PK\3\4 no checkpoint")
    for asked in ({"base.pt", "good.pt", "bad.pt"}, set()):
        questions.clear()
        assert [new.name for new in new_checkpoints(experiment, Store(str(tmp_path / "store")))] == ["good.pt"]
        assert {url.rpartition("/")[2] for url in questions} == asked


def test_a_check_that_takes_too_long_is_ended_and_may_be_tried_again(checkpoint):
    """A signal ends its fork; a slow machine or network says nothing about the file, so the next check succeeds."""
    with pytest.raises(CheckpointError, match=r"good\.pt: the check took more than 0 s"):
        confined_check("model", checkpoint, None, None, limits_of=lambda size: Limits(1 << 30, 0.001))
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"error": "ClientPayloadError", "message": "not complete"}, "ClientPayloadError: not complete"),
        ({"error": "FitError", "message": "too few"}, "too few"),
        ({"memory": True}, "was refused memory"),
        ({"signal": 9}, "was ended by signal 9"),
    ],
)
def test_only_a_readers_refusal_is_remembered(checkpoint, monkeypatch, answer, message):
    """After a failed network, too little memory or a killed process the same bytes are checked again."""
    monkeypatch.setattr(server, "ask", lambda _: answer)
    with pytest.raises((CheckpointError, FitError), match=message):
        confined_check("model", checkpoint, None, None)
    monkeypatch.undo()
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES


def test_a_check_that_needs_too_much_memory_is_refused(checkpoint):
    """A fork without memory beyond its own reads nothing, and the next fork is not affected."""
    with pytest.raises(CheckpointError, match=r"good\.pt: the check, limited to -1,024 MiB, was refused memory"):
        confined_check("model", checkpoint, None, None, limits_of=lambda size: Limits(-(1 << 30), 60.0))
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES


def test_a_server_that_was_killed_is_started_again(checkpoint):
    """The system may kill any process when memory runs out; the next check starts a new one."""
    first = confined_check("model", checkpoint, None, None)
    server.process.kill()
    assert confined_check("model", checkpoint, None, None) == first


def test_a_refused_file_is_checked_again_when_it_changes(checkpoint, questions):
    """A file that was refused while it was written is read again once it is complete."""
    path = checkpoint.path
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(whole[:1000])
    for _ in range(3):
        with pytest.raises(CheckpointError, match=r"good\.pt: not a checkpoint, or a truncated one"):
            confined_check("model", checkpoint, None, None)
    assert questions == [checkpoint.url]
    with open(path, "wb") as file:
        file.write(whole)
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES
    assert questions == [checkpoint.url] * 2


def test_limits_grow_with_the_file():
    """A ViT-bigG-14 in float32, 10.2 GB, has 83 GB of address space and 18 minutes; a small file 1 GiB and a minute."""
    for size, memory, seconds in ((0, 1 << 30, 60), (10_200_000_000, 82.6e9, 1080)):
        limits = limits_of(size)
        assert limits.memory == pytest.approx(memory, rel=0.01)
        assert limits.seconds == pytest.approx(seconds, rel=0.01)
