"""Children: their names, tags and parameters, and which of them are sent again."""

import asyncio

import pytest
import tiny
from prefect.states import Failed

from flows.display.stages import Stages
from flows.errors import OrchestrationError
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.workers import dispatch as module
from flows.workers.children import Child, Children
from flows.workers.dispatch import ChildCancelled, ChildFailed, child_flow, dispatch, is_worth_another
from flows.workers.pool import in_flight, pool
from storage.store import Store
from tasks.progress import listening


@pytest.mark.parametrize(("failure", "again"), [(ChildFailed, True), (ChildCancelled, False), (OSError, True)])
def test_a_cancelled_child_is_not_sent_again(failure, again):
    """Somebody wanted it to end; a child that failed otherwise may succeed another time."""
    state = Failed(data=failure("it ended"), message="it ended")
    assert asyncio.run(is_worth_another(None, None, state)) is again


def test_a_child_bears_tags_and_reads_the_plan(tmp_path):
    """Its tags name experiment, checkpoints but the base, and data set; its parameters name plan, store and samples."""
    experiment = load_experiment(tiny.experiment(tmp_path))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")))
    (child,) = Children(plan, "plans/0.json", experiment).extract(plan.datasets[0], plan.outputs[0])
    assert child.tags == ("dawin", "experiment:tiny", "checkpoint:tuned.pt", "dataset:one")
    assert child.parameters == {
        "plan": "plans/0.json",
        "store": plan.store.url,
        "dataset": "one",
        "samples": [0, plan.datasets[0].samples],
    }


def test_children_on_a_pool_share_a_data_set_in_whole_objects(tmp_path, monkeypatch):
    """Samples per run are rounded up to objects, and the children cover every sample once; in this process one does."""
    experiment = load_experiment(tiny.experiment(tmp_path, samples=12), ("samples_per_run=3",))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")), shard=2)
    children = Children(plan, "plans/0.json", experiment)
    assert len(children.extract(plan.datasets[0], plan.outputs[0])) == 1
    monkeypatch.setenv("DAWIN_GPU_POOL", "gpu")
    found = children.extract(plan.datasets[0], plan.outputs[0])
    assert [child.parameters["samples"] for child in found] == [[0, 4], [4, 8], [8, 12]]
    assert found[1].name.endswith("(4 to 7)")


def test_children_are_found_by_name():
    """Flow `verb-noun` lies in `flows/verb_noun.py`; an unknown flow is an error that names the module."""
    assert child_flow("extract-outputs").name == "extract-outputs"
    with pytest.raises(ModuleNotFoundError, match=r"flows\.fly_away"):
        child_flow("fly-away")


@pytest.mark.parametrize("wanted", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_runs_in_flight_is_refused(monkeypatch, wanted):
    """The message names the variable, the value that it has, and the values that it may have."""
    monkeypatch.setenv("DAWIN_IN_FLIGHT", wanted)
    with pytest.raises(
        OrchestrationError, match=f"DAWIN_IN_FLIGHT={wanted}: wanted a positive whole number, such as 64"
    ):
        in_flight()


def test_an_empty_pool_is_no_pool(monkeypatch):
    """A template gives an unset variable the empty string, so an empty name means this process."""
    monkeypatch.setenv("DAWIN_GPU_POOL", "")
    monkeypatch.delenv("DAWIN_IN_FLIGHT", raising=False)
    assert pool() is None
    assert in_flight() == 64


def test_children_that_end_on_a_pool_advance_the_stage_of_their_flow(monkeypatch):
    """Their images are counted on the workers, so the parent counts runs."""

    class Sent:
        def with_options(self, **_):
            return self

        async def __call__(self, *_):
            pass

    async def artifact(**_):
        pass

    monkeypatch.setattr(module, "_sent", Sent())
    monkeypatch.setattr(module, "acreate_progress_artifact", artifact)
    monkeypatch.setattr(module, "aupdate_progress_artifact", artifact)
    monkeypatch.setenv("DAWIN_GPU_POOL", "gpu")
    stages = Stages()
    with listening(stages):
        asyncio.run(dispatch([Child("extract-outputs", f"extract {n}", (), {}) for n in range(3)]))
    (stage,) = stages.all
    assert (stage.name, stage.unit, stage.done, stage.total, stage.is_finished) == ("extract", "runs", 3, 3, True)
