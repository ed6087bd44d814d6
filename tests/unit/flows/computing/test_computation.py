"""Repairs: the parts that a damaged object is made of are computed again, for each data set by itself."""

import asyncio

import pytest
import tiny

from flows.computing import computation as module
from flows.computing.computation import REPAIRS, Computation
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.plan_parts import parts_of
from flows.workers.dispatch import ChildCancelled, ChildFailed
from storage.errors import ObjectDamaged, ObjectMissing
from storage.store import Store


@pytest.fixture
def started(tmp_path):
    """A computation of two data sets that need one made model, its parts by name, and the list of computed ones."""
    experiment = load_experiment(tiny.experiment(tmp_path, samples=6, baselines=["individual", "ties/0.30"]))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")))
    parts = parts_of(plan, on_pool=False)
    made = Computation(plan, "plans/0.json", experiment, parts)
    return made, {part.name: part for part in parts}, plan


def faking(computation, monkeypatch, faults):
    """Record computed parts, and raise the next of a part's errors each time that it is computed."""
    computed, left = [], {name: list(errors) for name, errors in faults.items()}

    async def compute(part):
        computed.append(part.name)
        await asyncio.sleep(0)
        if left.get(part.name):
            raise left[part.name].pop(0)

    monkeypatch.setattr(computation, "_compute", compute)
    return computed


@pytest.mark.parametrize("kind", [ObjectDamaged, ObjectMissing])
def test_a_part_that_reads_a_damaged_object_is_computed_again_after_all_before_it(started, monkeypatch, kind):
    """Everything that it waits for is asked for what is missing, models too; the other data set is not."""
    computation, parts, plan = started
    fault = kind(f"{plan.store.url}/mixtures/x: damaged")
    computed = faking(computation, monkeypatch, {"evaluate one": [fault]})
    asyncio.run(computation.compute(parts["evaluate one"]))
    assert computed == ["evaluate one", "extract one", "fit one", "make ties", "evaluate one"]


def test_a_damaged_object_that_a_repair_reads_is_repaired_too(started, monkeypatch):
    """The fit finds the outputs damaged that the evaluation sent it back to."""
    computation, parts, plan = started
    faults = [ObjectDamaged(f"{plan.store.url}/{name}: damaged") for name in ("mixtures/x", "outputs/x")]
    computed = faking(computation, monkeypatch, {"evaluate one": faults[:1], "fit one": faults[1:]})
    asyncio.run(computation.compute(parts["evaluate one"]))
    before = ["extract one", "fit one"]
    assert computed == ["evaluate one", *before, *before, "make ties", "evaluate one"]


def test_each_data_set_is_given_up_after_some_repairs_of_its_own(started, monkeypatch):
    """The error of the last one is raised; the other data set has as many repairs left as ever."""
    computation, parts, plan = started
    faults = [ObjectDamaged(f"{plan.store.url}/x: damaged, time {number}") for number in range(10)]
    computed = faking(computation, monkeypatch, {"fit one": faults[:5], "fit two": faults[5 : 5 + REPAIRS]})
    with pytest.raises(ObjectDamaged, match=f"time {REPAIRS}$"):
        asyncio.run(computation.compute(parts["fit one"]))
    asyncio.run(computation.compute(parts["fit two"]))
    assert computed.count("fit one") == computed.count("fit two") == REPAIRS + 1


def test_a_missing_input_is_no_damage(started, monkeypatch):
    """No run computes an image, so nothing is tried again."""
    computation, parts, _ = started
    computed = faking(computation, monkeypatch, {"extract one": [ObjectMissing("s3://bucket/images: not found")]})
    with pytest.raises(ObjectMissing):
        asyncio.run(computation.compute(parts["extract one"]))
    assert computed == ["extract one"]


def test_two_data_sets_do_not_repair_one_model_at_the_same_time(started, monkeypatch):
    """The second one waits, and then finds nothing missing."""
    computation, parts, plan = started
    running, most = 0, 0
    fault = {name: [ObjectDamaged(f"{plan.store.url}/made: damaged")] for name in ("evaluate one", "evaluate two")}

    async def compute(part):
        nonlocal running, most
        if part.name == "make ties":
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
        if fault.get(part.name):
            raise fault[part.name].pop()

    async def both():
        await asyncio.gather(*(computation.compute(parts[f"evaluate {name}"]) for name in ("one", "two")))

    monkeypatch.setattr(computation, "_compute", compute)
    asyncio.run(both())
    assert most == 1


CASES = {
    "its own table lost an object": ({"one": ({1, 2}, {1, 2, 3})}, ObjectDamaged),
    "it wrote as many objects as it lost": ({"one": ({1, 2}, {3, 4})}, ObjectDamaged),
    "another data set lost an object": ({"one": ({1}, {1}), "two": ({5}, {5, 6})}, ChildFailed),
    "another data set wrote while it lost one": ({"one": ({1}, {1, 2}), "two": ({5, 6}, set())}, ObjectDamaged),
    "both wrote": ({"one": ({1, 2}, {1}), "two": ({5, 6}, {5})}, ChildFailed),
}


@pytest.mark.parametrize("case", CASES)
def test_a_failed_child_found_damage_if_its_own_data_set_lost_an_object(started, monkeypatch, case):
    """Whatever it and the children of other data sets have written meanwhile."""
    computation, parts, plan = started
    states, wanted = CASES[case]
    moment = 0

    def absent(part):
        return {(name, span): f"line {span}" for name in [part.datasets[0].name] for span in states[name][moment]}

    async def failing(*_):
        nonlocal moment
        moment = 1
        raise ChildFailed("its run ended as Failed")

    monkeypatch.setattr(module, "absent", absent)
    monkeypatch.setattr(computation, "_send_by_schedule", failing)
    monkeypatch.setattr(computation, "_sender", "a pool's")
    with pytest.raises(wanted) as caught:
        asyncio.run(computation._send(parts["extract one"], ["child"]))
    if wanted is ObjectDamaged:
        assert str(caught.value).startswith(f"{plan.store.url}/: damaged objects of line ")


def test_a_cancelled_child_is_no_damage(started, monkeypatch):
    """Its error passes, whatever has been lost."""
    computation, parts, _ = started

    async def cancelled(*_):
        raise ChildCancelled("its run ended as Cancelled")

    monkeypatch.setattr(computation, "_send_by_schedule", cancelled)
    monkeypatch.setattr(computation, "_sender", "a pool's")
    with pytest.raises(ChildCancelled):
        asyncio.run(computation._send(parts["extract one"], ["child"]))


@pytest.mark.parametrize("how", ["is away", "is there again", "is there"])
def test_a_failed_child_found_damage_if_a_model_that_it_reads_was_lost_meanwhile(started, monkeypatch, how):
    """Another data set's child took its commit back; its run may have made the model again since."""
    computation, parts, _ = started
    child = "evaluate one"
    monkeypatch.setattr(module, "absent", lambda _: {})
    incomplete = {"make ties"} if how == "is away" else set()
    monkeypatch.setattr(computation, "_incomplete", lambda: incomplete)

    async def nothing(*_):
        pass

    async def failing(_sender, part, _child):
        if part.name != child:
            return
        if how == "is there again":
            await computation._compute(parts["make ties"])
        raise ChildFailed("its run ended as Failed")

    monkeypatch.setattr(module, "dispatch", nothing)
    monkeypatch.setattr(computation, "_send_by_schedule", failing)
    monkeypatch.setattr(computation, "_sender", "a pool's")
    with pytest.raises(ChildFailed if how == "is there" else ObjectDamaged, match="ended as Failed") as caught:
        asyncio.run(computation._send(parts[child], ["child"]))
    if how != "is there":
        assert "damaged objects of make ties (" in str(caught.value)


def test_complete_data_sets_begin_no_decoding(started, monkeypatch):
    """A rerun goes through them first, and each would list and decode the images of the same later data set."""
    from tasks.streaming import ahead

    computation, parts, _ = started
    begun = []
    monkeypatch.setattr(ahead, "begin", lambda reference, *_: begun.append(reference.name))
    computation._decode_ahead(parts["fit one"]._replace(missing=0))
    assert begun == []
    computation._decode_ahead(parts["fit one"])
    assert begun == ["two"]
