"""Children: their names, tags and parameters, and which of them are sent again."""

import asyncio
import uuid
from types import SimpleNamespace

import httpx
import pytest
import tiny
from prefect import flow
from prefect.states import Failed

from flows.display.stages import Stages
from flows.errors import OrchestrationError
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.workers import dispatch as module
from flows.workers.children import Child, Children
from flows.workers.dispatch import ChildCancelled, ChildFailed, ChildRefused, child_flow, dispatch, is_worth_another
from flows.workers.ends import Ends
from flows.workers.pool import in_flight, pool
from storage.store import Store
from tasks.progress import listening


@pytest.mark.parametrize(
    ("failure", "again"), [(ChildFailed, True), (ChildCancelled, False), (ChildRefused, False), (OSError, True)]
)
def test_a_child_is_sent_again_if_that_can_help(failure, again):
    """Somebody wanted a cancelled one to end, and wrong inputs stay wrong; other failures may not happen again."""
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
    assert in_flight() is None


@pytest.fixture
def sending(monkeypatch):
    """Replace the sending of children: by name, the error of a child, or None; `held` never end by themselves.

    The lists of children that began, ended and were cancelled are its attributes.
    """

    class Sent:
        def __init__(self):
            self.errors, self.held, self.begun, self.ended, self.cancelled = {}, set(), [], [], []

        def with_options(self, **_):
            return self

        async def __call__(self, _deployment, name, *_):
            self.begun.append(name)
            try:
                await asyncio.sleep(3600 if name in self.held else 0)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if name in self.errors:
                raise self.errors[name]
            self.ended.append(name)

    sent = Sent()
    monkeypatch.setattr(module, "_sent", sent)
    monkeypatch.setenv("DAWIN_GPU_POOL", "gpu")
    return sent


def children(dataset, count):
    return [Child("extract-outputs", f"{dataset} {number}", (), {}) for number in range(count)]


def test_children_that_end_on_a_pool_advance_the_stage_of_their_flow(sending):
    """Their images are counted on the workers, so the parent counts runs."""
    stages = Stages()
    with listening(stages):
        asyncio.run(dispatch(children("one", 1)))
    (stage,) = stages.all
    assert (stage.name, stage.unit, stage.done, stage.total, stage.is_finished) == ("extract", "runs", 1, 1, True)


@pytest.mark.parametrize("error", [ChildFailed("its run ended as Crashed"), ChildCancelled("its run was cancelled")])
def test_the_first_child_that_does_not_complete_ends_the_dispatch(sending, error):
    """The error is that of the child, and no child after it is sent."""
    sending.errors["one 1"] = error
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(dispatch(children("one", 3)))
    assert (sending.begun, sending.ended) == (["one 0", "one 1"], ["one 0"])


def test_an_interrupt_cancels_the_child(sending):
    """It gets the interrupt once, so that nothing disturbs the clean-up, which asks the API to cancel the run."""

    async def interrupted():
        going = asyncio.ensure_future(dispatch(children("one", 1)))
        while not sending.begun:
            await asyncio.sleep(0)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    sending.held = {"one 0"}
    asyncio.run(interrupted())
    assert sending.cancelled == ["one 0"]


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize("fault", ["the run is not created", "the run is not cancelled"])
def test_an_interrupted_child_is_not_sent_again_whatever_the_api_answers(monkeypatch, fault):
    """The interrupt goes on; an error in its place would look like one that another try may mend."""
    sent = []

    async def run_deployment(*_, flow_run_name, **__):
        sent.append(flow_run_name)
        if fault == "the run is not created":
            await asyncio.sleep(0.5)
            raise httpx.ConnectError("down")
        return SimpleNamespace(id=uuid.uuid4())

    async def cancel(_):
        raise httpx.ReadTimeout("slow")

    class Never(Ends):
        async def of(self, _):
            await asyncio.sleep(3600)

    monkeypatch.setattr(module, "arun_deployment", run_deployment)
    monkeypatch.setattr(module, "_cancel", cancel)

    @flow
    async def parent():
        going = asyncio.ensure_future(module.send_child(Child("extract-outputs", "one", (), {}), Never()))
        while not sent:
            await asyncio.sleep(0.01)
        going.cancel()
        await asyncio.wait([going], timeout=60)
        return going.cancelled()

    assert asyncio.run(parent())
    assert sent == ["one"]


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_a_child_that_meets_a_wrong_input_is_sent_once(monkeypatch):
    """Another child would find the images missing too; the error names the child and carries the run's message."""
    sent, message = [], "Flow run encountered an exception: ObjectMissing: file:///gone: no such folder"

    async def run_deployment(*_, flow_run_name, **__):
        sent.append(flow_run_name)
        return SimpleNamespace(id=uuid.uuid4())

    class Ended(Ends):
        async def of(self, _):
            return SimpleNamespace(state=Failed(message=message))

    monkeypatch.setattr(module, "arun_deployment", run_deployment)

    @flow
    async def parent():
        with pytest.raises(ChildRefused, match=r"one: its run \S+ ended as Failed: .*ObjectMissing: file:///gone"):
            await module.send_child(Child("extract-outputs", "one", (), {}), Ended())

    asyncio.run(parent())
    assert sent == ["one"]
