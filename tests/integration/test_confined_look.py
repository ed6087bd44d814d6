"""`dawin watch` looks at each checkpoint in a process of its own: no file can stop the others."""

import pytest
import tiny

from flows.experiment.file import load_experiment
from flows.planning import confined_check as looking
from flows.planning.confined_check import confined_check
from flows.planning.new_checkpoints import new_checkpoints
from storage.locations import Location
from storage.store import Store
from tasks.errors import CheckpointError, FitError

pytestmark = pytest.mark.xdist_group("landing")


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


def test_a_second_look_asks_no_process(tmp_path, questions):
    """What is good is remembered in the store, what was refused by this process."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    experiment = load_experiment(tiny.experiment(tmp_path, samples=6, models=models, **settings))
    tiny.checkpoint(tmp_path / "finetuned" / "good.pt", 5)
    (tmp_path / "finetuned" / "bad.pt").write_bytes(b"PK\3\4 no checkpoint")
    for asked in ({"base.pt", "good.pt", "bad.pt"}, set()):
        questions.clear()
        assert [new.name for new in new_checkpoints(experiment, Store(str(tmp_path / "store")))] == ["good.pt"]
        assert {url.rpartition("/")[2] for url in questions} == asked


def test_a_look_that_takes_too_long_is_ended_and_may_be_tried_again(checkpoint, monkeypatch):
    """Its fork is ended by a signal; a machine or network that was slow says nothing about the file."""
    monkeypatch.setattr(looking, "_SECONDS", 0.001)
    monkeypatch.setattr(looking, "_BYTES_A_SECOND", 1e18)
    with pytest.raises(CheckpointError, match=r"good\.pt: a look at it took more than 0 s"):
        confined_check("model", checkpoint, None, None)
    monkeypatch.undo()
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
def test_only_what_the_reader_says_of_a_file_is_remembered(checkpoint, monkeypatch, answer, message):
    """A failed network, a want of memory or a killed process is no refusal: the next look at the same bytes is made."""
    monkeypatch.setattr(looking._server, "ask", lambda _: answer)
    with pytest.raises((CheckpointError, FitError), match=message):
        confined_check("model", checkpoint, None, None)
    monkeypatch.undo()
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES


def test_a_look_that_needs_too_much_memory_is_refused(checkpoint, monkeypatch):
    """With no memory beyond its own a fork reads nothing; the next one is as good as new."""
    monkeypatch.setattr(looking, "_MEMORY", -(1 << 30))
    monkeypatch.setattr(looking, "_COPIES", 0)
    with pytest.raises(CheckpointError, match=r"good\.pt: a look at it, limited to -1,024 MiB, was refused memory"):
        confined_check("model", checkpoint, None, None)
    monkeypatch.undo()
    assert confined_check("model", checkpoint, None, None)["classes"] == tiny.CLASSES


def test_a_server_that_was_ended_is_started_anew(checkpoint):
    """The system takes the memory of whom it will."""
    first = confined_check("model", checkpoint, None, None)
    looking._server._process.kill()
    assert confined_check("model", checkpoint, None, None) == first


def test_what_was_refused_is_looked_at_again_when_it_changes(checkpoint, questions):
    """A file that was refused while it was written is not refused for ever."""
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
        limits = looking._limits(size)
        assert limits["memory"] == pytest.approx(memory, rel=0.01)
        assert limits["seconds"] == pytest.approx(seconds, rel=0.01)
