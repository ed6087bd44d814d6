"""Settings of `dawin watch --set` reach every run that a watcher starts, here and on a deployment."""

import asyncio
from types import SimpleNamespace

import pytest
import tiny

from flows import watch_checkpoints as module
from flows.cli import main
from flows.experiment.settings import Experiment
from flows.workers.embedded_api import prefect_api

LOOK = module.watch_checkpoints.fn  # without a flow run of its own, and so without an API


@pytest.fixture
def watched(tmp_path):
    """An experiment that watches a folder with one new checkpoint, and the address of a store."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    file = tiny.experiment(tmp_path, samples=6, models=models, **settings)
    tiny.checkpoint(tmp_path / "finetuned" / "new.pt", 5)
    return file, f"file://{tmp_path}/store"


def deployed(monkeypatch, is_deployed):
    """Replace the server's answer, and return the list of experiments and keys of the runs that are started."""
    started = []

    async def answer():
        return is_deployed

    async def on_a_deployment(name, *, parameters, idempotency_key, **_):
        started.append((Experiment.model_validate(parameters["experiment"]), idempotency_key))
        return SimpleNamespace(state=None)

    async def here(experiment, _):
        started.append((experiment, None))

    monkeypatch.setattr(module, "_is_deployed", answer)
    monkeypatch.setattr(module, "arun_deployment", on_a_deployment)
    monkeypatch.setattr(module, "run_experiment", here)
    return started


@pytest.mark.parametrize("is_deployed", [False, True])
def test_settings_reach_the_experiment_of_each_run(watched, monkeypatch, is_deployed):
    """The run's experiment has them, whoever runs it."""
    started = deployed(monkeypatch, is_deployed)
    file, store = watched
    assert len(asyncio.run(LOOK(file, store, settings=["merge.granularity=[bins]", "seed=7"]))) == 1
    ((experiment, _),) = started
    assert (experiment.merge.granularity, experiment.seed) == (("bins",), 7)
    assert experiment.models[1].checkpoint.endswith("/finetuned/new.pt")


def test_other_settings_are_another_run_of_the_same_checkpoint(watched, monkeypatch):
    """The idempotency keys differ, so that a deployment does not take one for the other; equal settings share a key."""
    started = deployed(monkeypatch, is_deployed=True)
    file, store = watched
    for settings in ((), ("seed=7",), ("seed=7",)):
        asyncio.run(LOOK(file, store, settings=settings))
    keys = [key for _, key in started]
    assert keys[0] != keys[1]
    assert keys[1] == keys[2]


def test_the_command_line_passes_its_settings_on(watched, monkeypatch, capsys):
    """`dawin watch --once --set` starts a run with them, and prints the address of its checkpoint."""
    seen = {}

    async def look(experiment, store, settings):
        seen.update(experiment=experiment, store=store, settings=settings)
        return ["s3://bucket/a.pt"]

    monkeypatch.setattr(module, "watch_checkpoints", look)
    monkeypatch.setattr("flows.workers.embedded_api.keep_errors_short", lambda verbose: None)
    for name in ("start", "wait", "revive"):
        monkeypatch.setattr(prefect_api, name, lambda: None)
    file, store = watched
    assert main(["watch", file, "--once", "--set", "seed=7", "--store", store]) == 0
    assert seen == {"experiment": file, "store": store, "settings": ["seed=7"]}
    assert capsys.readouterr().out == "1 runs started\n  s3://bucket/a.pt\n"


def test_a_wrong_setting_is_refused_before_the_first_look(watched, capsys):
    """One message, and status 2; no look takes place."""
    file, store = watched
    assert main(["watch", file, "--once", "--set", "sed=7", "--store", store]) == 2
    assert "--set sed: no such setting; did you mean seed?" in capsys.readouterr().err
