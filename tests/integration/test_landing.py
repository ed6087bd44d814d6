"""Checkpoints that land: whole ones start a run, once each by content; the leaderboard has a row for every one."""

import asyncio
from pathlib import Path

import pytest
import tiny

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment import load_experiment
from flows.landing import new_checkpoints
from flows.leaderboard import leaderboard
from flows.preparation import prepare
from storage.store import Store

pytestmark = pytest.mark.xdist_group("landing")


@pytest.fixture
def landing(tmp_path):
    """An experiment whose tuned model is whatever lies in `finetuned`; nothing does yet."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    file = tiny.experiment(tmp_path, samples=6, models=models, **settings)
    (tmp_path / "finetuned").mkdir()
    return file, tmp_path / "finetuned", Store(str(tmp_path / "store"))


def found(landing, only=None):
    file, _, store = landing
    return [landed.name for landed in new_checkpoints(load_experiment(file), store, only)]


def test_what_is_not_whole_waits(landing):
    """Uploaded in pieces: at every piece but the last it is passed over."""
    _, folder, _ = landing
    content = Path(tiny.checkpoint(folder.parent / "new.pt", 5)).read_bytes()
    assert found(landing) == []
    for size in (0, 100, len(content) // 2, len(content) - 1):
        (folder / "a.pt").write_bytes(content[:size])
        assert found(landing) == []
    (folder / "a.pt").write_bytes(content)
    assert found(landing) == ["a.pt"]


def test_content_counts_not_names(landing):
    """The base again, and a copy, start nothing."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5)
    (folder / "b.pt").write_bytes((folder / "a.pt").read_bytes())
    (folder / "base.pt").write_bytes((folder.parent / "base.pt").read_bytes())
    (folder / "notes.txt").write_text("no checkpoint")
    assert found(landing) == ["a.pt"]


def test_one_may_be_told(landing):
    """As an event does; what is none of the pattern is refused."""
    _, folder, _ = landing
    for seed, name in ((5, "a.pt"), (6, "b.pt")):
        tiny.checkpoint(folder / name, seed)
    assert found(landing, f"{folder}/b.pt") == ["b.pt"]
    with pytest.raises(ExperimentError, match=r"other.pt: is none of .*finetuned/\*"):
        found(landing, f"{folder.parent}/other.pt")


def test_a_pattern_cannot_be_run(landing, tmp_path):
    """It stands for many; nor can the base be one, nor two models."""
    file, _, store = landing
    with pytest.raises(ExperimentError, match="stands for all that land: dawin watch"):
        prepare(load_experiment(file), store)
    with pytest.raises(ExperimentError, match="one checkpoint may be a pattern, and not the base's"):
        load_experiment(file, ("models.0.checkpoint=x/*",))
    with pytest.raises(ExperimentError, match=r"no model's checkpoint is a pattern such as s3://bucket/finetuned/\*"):
        list(new_checkpoints(load_experiment(file, (f"models.1.checkpoint={tmp_path}/base.pt",)), store))


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_each_gets_a_row_once(landing, capsys, monkeypatch):
    """Ten in a burst, one of them twice; another look starts nothing; a later one only what is new."""
    from flows.watch_checkpoints import watch_checkpoints

    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    file, folder, store = landing
    for seed in range(10):
        tiny.checkpoint(folder / f"{seed}.pt", 10 + seed)
    (folder / "again.pt").write_bytes((folder / "0.pt").read_bytes())
    assert main(["watch", file, "--once", "--store", store.url]) == 0
    assert "10 runs started" in capsys.readouterr().out
    assert asyncio.run(watch_checkpoints(file, store.url)) == []
    tiny.checkpoint(folder / "later.pt", 20)
    assert asyncio.run(watch_checkpoints(file, store.url, f"{folder}/later.pt")) == [f"file://{folder}/later.pt"]
    board = leaderboard(store, "tiny")
    mine = board.filter(method="dawin/samples")
    assert mine["checkpoint"].to_list() == [*(f"{seed}.pt" for seed in range(10)), "later.pt"]
    assert set(board.columns) == {"at", "experiment", "checkpoint", "method", "one", "two", "mean id", "mean ood"}
    assert main(["leaderboard", "tiny", "--store", store.url, "--format", "markdown"]) == 0
    assert "| later.pt" in capsys.readouterr().out.replace("  ", " ")
