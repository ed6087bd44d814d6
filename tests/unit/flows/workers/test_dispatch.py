"""What children are called and found by, and which of them are sent again."""

import asyncio

import pytest
import tiny
from prefect.states import Failed

from flows.errors import OrchestrationError
from flows.experiment.file import load_experiment
from flows.workers.dispatch import ChildCancelled, ChildFailed, Work, _is_worth_another, child_flow
from flows.workers.pool import in_flight, pool


@pytest.mark.parametrize(("failure", "again"), [(ChildFailed, True), (ChildCancelled, False), (OSError, True)])
def test_what_was_cancelled_is_not_sent_again(failure, again):
    """Somebody wanted it to end; whatever else happened may go well another time."""
    state = Failed(data=failure("it ended"), message="it ended")
    assert asyncio.run(_is_worth_another(None, None, state)) is again


def test_a_work_bears_the_tags_of_what_it_is_about(tmp_path):
    """Experiment, checkpoints but the base, data set."""
    experiment = load_experiment(tiny.experiment(tmp_path))
    tags = ["dawin", "experiment:tiny", "checkpoint:tuned.pt"]
    assert Work("merge-weights", "merge ties", experiment, {"method": "ties"}).tags == tags
    assert Work("extract-outputs", "extract one", experiment, {"dataset": "one"}).tags == [*tags, "dataset:one"]


def test_children_are_found_by_name():
    """Flow `verb-noun` in `flows/verb_noun.py`; another is an error that names the module."""
    assert child_flow("extract-outputs").name == "extract-outputs"
    with pytest.raises(ModuleNotFoundError, match=r"flows\.fly_away"):
        child_flow("fly-away")


@pytest.mark.parametrize("wanted", ["0", "-1", "many", "1.5"])
def test_a_number_of_runs_in_flight_is_one(monkeypatch, wanted):
    """Named with what was wanted and got."""
    monkeypatch.setenv("DAWIN_IN_FLIGHT", wanted)
    with pytest.raises(
        OrchestrationError, match=f"DAWIN_IN_FLIGHT={wanted}: wanted a whole number from 1 on, such as 64"
    ):
        in_flight()


def test_without_a_pool_work_is_done_here(monkeypatch):
    """An empty name is none: that is what an unset variable of a template becomes."""
    monkeypatch.setenv("DAWIN_GPU_POOL", "")
    monkeypatch.delenv("DAWIN_IN_FLIGHT", raising=False)
    assert pool() is None
    assert in_flight() == 64
