"""The children of a run on a pool: the schedule cuts them, and failures stay with their works."""

import asyncio

import pytest

from flows.scheduling.pace import Pace
from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import Sizing
from flows.scheduling.works import Graph, Work
from flows.workers import sender as module
from flows.workers.children import Child
from flows.workers.dispatch import ChildCancelled, ChildFailed
from flows.workers.ends import Ends
from flows.workers.sender import Sender
from flows.workers.sharing import Share
from storage.spans import cut

KNOWN = Pace().including("extract-outputs", None, passes=100, seconds=100)


def work(name, samples, **settings):
    return Work(name=name, kind="extract-outputs", dataset=name, spans=tuple(cut(samples, 10)), **settings)


class FakePool:
    """Records children; some fail, or wait until they are let go."""

    def __init__(self, failing=None, held=False, workers=1):
        self.failing, self.workers = failing or {}, workers
        self.sent, self.cancelled, self.in_flight, self.most = [], [], 0, 0
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def send(self, child, ends):
        assert isinstance(ends, Ends)
        self.sent.append(child)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.go.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(child.name)
            raise
        finally:
            self.in_flight -= 1
        names = [child.parameters["dataset"], *(name for name, _ in child.parameters.get("more", []))]
        for name in names:
            if error := self.failing.get(name):
                raise error
        return 1.0

    async def share(self):
        return Share(self.workers, 1)


def sender(works, pool, limit=None, pace=None, samples="auto"):
    return Sender(Schedule(Graph(works), Sizing(samples=samples), pace), pool.send, pool.share, limit)


def compute(one, found, **settings):
    child = Child("extract-outputs", f"extract {found.name}", (f"dataset:{found.name}",), {"dataset": found.name})
    return one.compute(found.name, child, found.spans, **settings)


def together(works, pool, **settings):
    """Compute works at the same time, and return their outcomes."""

    async def run():
        one = sender(works, pool, **settings)
        return await asyncio.gather(*(compute(one, found) for found in works), return_exceptions=True)

    return asyncio.run(run())


def samples_of(pool):
    return [(child.parameters["dataset"], child.parameters["samples"]) for child in pool.sent]


def test_children_share_a_data_set_in_whole_objects():
    """A number of samples is rounded up to objects, and each child's name says its samples."""
    pool = FakePool()
    assert together([work("a", 50)], pool, samples=15) == [None]
    assert samples_of(pool) == [("a", [0, 20]), ("a", [20, 40]), ("a", [40, 50])]
    assert pool.sent[1].name == "extract a (20 to 39)"


def test_a_child_for_all_samples_bears_no_samples_in_its_name():
    """Whole data sets are sent as they are."""
    pool = FakePool()
    assert together([work("a", 50)], pool, samples=None) == [None]
    assert [(child.name, child.parameters["samples"]) for child in pool.sent] == [("extract a", [0, 50])]


def test_small_data_sets_travel_in_one_child():
    """It names both, has the tags of both, and gets the second one's samples in `more`."""
    pool, works = FakePool(held=True), [work("first", 10), work("a", 12), work("b", 4)]

    async def run():
        one = sender(works, pool, limit=1, pace=KNOWN)
        tasks = [asyncio.ensure_future(compute(one, works[0]))]
        await asyncio.sleep(0.01)  # the only place is taken
        tasks += [asyncio.ensure_future(compute(one, found)) for found in works[1:]]
        await asyncio.sleep(0.01)
        pool.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    child = pool.sent[1]
    assert len(pool.sent) == 2
    assert child.name == "extract a; extract b"
    assert child.tags == ("dataset:a", "dataset:b")
    assert child.parameters == {"dataset": "a", "samples": [0, 12], "more": [["b", [0, 4]]]}


def test_the_places_in_flight_are_two_for_each_worker_or_as_the_limit_says():
    """All works together take no more."""
    for settings, workers, most in (({}, 3, 6), ({"limit": 2}, 3, 2)):
        pool = FakePool(workers=workers)
        assert together([work("a", 400), work("b", 400)], pool, samples=10, **settings) == [None, None]
        assert pool.most == most


def test_a_failed_data_set_stops_no_other():
    """Its own error arrives at its own caller, and nothing more of it is sent."""
    pool = FakePool(failing={"a": ChildFailed("a: its run ended as Crashed")})
    found = together([work("a", 200), work("b", 30)], pool, samples=10)
    assert str(found[0]) == "a: its run ended as Crashed"
    assert found[1] is None
    assert len([name for name, _ in samples_of(pool) if name == "a"]) < 20
    assert len([name for name, _ in samples_of(pool) if name == "b"]) == 3


def test_a_cancelled_child_ends_its_work_and_no_other_is_sent():
    """Its siblings are cancelled, because somebody wants the run to end."""
    pool = FakePool(failing={"a": ChildCancelled("a: its run ended as Cancelled")})

    async def run():
        found = work("a", 200)
        with pytest.raises(ChildCancelled, match="Cancelled"):
            await compute(sender([found], pool, samples=10), found)
        assert pool.in_flight == 0

    asyncio.run(run())
    assert len(pool.sent) == 2


def test_an_interrupt_cancels_all_children():
    """None is left in flight, and none is sent afterwards."""
    pool, works = FakePool(held=True, workers=2), [work("a", 200), work("b", 200)]

    async def run():
        one = sender(works, pool, samples=10)
        tasks = [asyncio.ensure_future(compute(one, found)) for found in works]
        await asyncio.sleep(0.01)
        assert pool.in_flight == 4
        for task in tasks:
            task.cancel()
        assert all(isinstance(x, asyncio.CancelledError) for x in await asyncio.gather(*tasks, return_exceptions=True))
        pool.go.set()
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert (pool.in_flight, len(pool.sent), len(pool.cancelled)) == (0, 4, 4)


def test_complete_objects_are_counted_when_their_child_ends():
    """The number of objects of each child, in the order of the ends."""
    counted, pool, found = [], FakePool(), work("a", 45)

    async def advance(objects):
        counted.append(objects)

    async def run():
        await compute(sender([found], pool, samples=20), found, advance=advance)

    asyncio.run(run())
    assert counted == [2, 2, 1]


def test_a_made_model_is_sent_as_it_is():
    """It has no samples."""
    pool, made = FakePool(), Work(name="make ties", kind="merge-weights")

    async def run():
        child = Child("merge-weights", "merge ties", (), {"model": "0123", "dataset": ""})
        await sender([made], pool).compute("make ties", child, ())
        assert pool.sent == [child]

    asyncio.run(run())


def test_unknown_workers_count_as_before():
    """A server that does not answer stops no child."""
    pool = FakePool()

    async def silent():
        raise OSError("no answer")

    async def run():
        found = work("a", 50)
        await compute(Sender(Schedule(Graph([found])), pool.send, silent), found)

    asyncio.run(run())
    assert sum(stop - start for _, (start, stop) in samples_of(pool)) == 50


def test_a_fault_in_the_parent_reaches_every_caller():
    """Nobody waits for ever."""
    pool = FakePool(held=True)

    async def broken(_objects):
        raise KeyError("progress")

    async def run():
        works = [work("a", 10), work("b", 10)]
        one = sender(works, pool, limit=1)
        tasks = [asyncio.ensure_future(compute(one, found, advance=broken)) for found in works]
        await asyncio.sleep(0.01)
        pool.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(error, KeyError) for error in asyncio.run(run()))


def test_workers_that_come_while_children_run_get_children(monkeypatch):
    """The number is asked for now and then, although no child ends."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    pool = FakePool(held=True, workers=1)

    async def run():
        found = work("a", 400)
        going = asyncio.ensure_future(compute(sender([found], pool, pace=KNOWN, samples=10), found))
        while len(pool.sent) < 2:
            await asyncio.sleep(0)
        pool.workers = 3
        while len(pool.sent) < 6:
            await asyncio.sleep(0.005)
        pool.go.set()
        await going
        return len(asyncio.all_tasks())

    assert asyncio.run(asyncio.wait_for(run(), 20)) <= 2, "the looks end with the last work"
    assert len(pool.sent) == 40


def test_an_error_of_a_look_ends_the_run(monkeypatch):
    """Nobody waits for ever for children that no one sends."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    pool, found = FakePool(held=True), work("a", 400)
    one = sender([found], pool, pace=KNOWN, samples=10)
    fill, times = one._fill, 0

    async def failing():
        nonlocal times
        times += 1
        if times > 1:
            raise ValueError("no such span")
        await fill()

    monkeypatch.setattr(one, "_fill", failing)
    with pytest.raises(ValueError, match="no such span"):
        asyncio.run(asyncio.wait_for(compute(one, found), 20))
