"""The walk through a run: every part after its own inputs, and a failure stops no other data set."""

import asyncio
import random
import weakref

import pytest
from run_parts import FakeComputation, chain, part

from flows.computing.walk import walk

SMALL, LARGE = chain("small"), chain("large", 10)


def walked(parts, fake, **options):
    """Walk through parts, and return the failures."""
    return asyncio.run(walk(parts, fake.compute, **options))


def test_a_data_set_does_not_wait_for_another_one():
    """The small data set is evaluated while the large one is still extracted."""
    fake = FakeComputation(held=["extract large"])
    fake.releases = lambda _: ("end", "evaluate small") in fake.events
    assert walked([*LARGE, *SMALL], fake) == []
    assert fake.events.index(("end", "evaluate small")) < fake.events.index(("end", "extract large"))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("at_once", [1, 2, None])
def test_every_part_begins_once_after_all_that_it_waits_for(seed, at_once):
    """On random graphs, whatever the number of parts at once; that number is never exceeded."""
    draw = random.Random(seed)
    parts = []
    for number in range(12):
        waits = draw.sample([one.name for one in parts], min(len(parts), draw.randrange(3)))
        parts.append(part("extract", str(number), *waits))
    draw.shuffle(parts)
    fake = FakeComputation()
    assert walked(parts, fake, at_once=at_once) == []
    assert sorted(fake.begun) == sorted(one.name for one in parts)
    for one in parts:
        begun = fake.events.index(("begin", one.name))
        assert all(fake.events.index(("end", name)) < begun for name in one.waits_for)
    running = 0
    for kind, _ in fake.events:
        running += 1 if kind == "begin" else -1
        assert at_once is None or running <= at_once


def test_only_what_waits_for_a_failed_part_is_left_out():
    """The other data set goes to its end, and the failure names the part and its error."""
    error = ValueError("no such image")
    fake = FakeComputation({"extract large": error})
    failures = walked([*LARGE, *SMALL], fake)
    assert [(one.part.name, one.error) for one in failures] == [("extract large", error)]
    assert fake.begun == ["extract large", "extract small", "fit small", "evaluate small"]


def test_an_evaluation_waits_for_its_made_model_and_for_no_other():
    """The model that looks at both data sets holds up one evaluation alone."""
    soup = part("make", "soup", "extract small", "extract large")
    parts = [*chain("small", 1, "make ties"), *chain("large", 1, "make soup"), part("make", "ties"), soup]
    fake = FakeComputation(held=["make soup"])
    fake.releases = lambda _: ("end", "evaluate small") in fake.events
    assert walked(parts, fake) == []
    assert fake.begun.index("make ties") < fake.begun.index("evaluate small") < fake.begun.index("evaluate large")


def test_of_the_parts_that_are_ready_the_first_one_begins():
    """With one at a time, the order of the caller is kept as far as the inputs allow."""
    fake = FakeComputation()
    walked([*reversed(SMALL), *LARGE], fake, at_once=1)
    assert fake.begun == [
        "extract small",
        "fit small",
        "evaluate small",
        "extract large",
        "fit large",
        "evaluate large",
    ]


def test_a_fatal_error_cancels_all_other_parts():
    """Nothing begins after it, and the walk ends when all have ended."""
    fake = FakeComputation({"fit small": KeyError("cancelled")}, held=["extract large"])
    with pytest.raises(KeyError):
        walked([*LARGE, *SMALL], fake, is_fatal=lambda error: isinstance(error, KeyError))
    assert fake.cancelled == ["extract large"]
    assert "evaluate small" not in fake.begun


def test_an_interrupt_cancels_all_parts():
    """The caller's cancellation arrives in each of them before the walk ends."""

    async def interrupted(fake):
        going = asyncio.ensure_future(walk([*LARGE, *SMALL], fake.compute))
        for _ in range(5):
            await asyncio.sleep(0)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    fake = FakeComputation(held=["extract large", "extract small"])
    asyncio.run(interrupted(fake))
    assert sorted(fake.cancelled) == ["extract large", "extract small"]


def test_a_failure_keeps_nothing_of_its_pass_in_memory():
    """The variables of the failed functions, and of the causes of their errors, are free while the others compute."""

    class Model:
        pass

    kept = []

    def broken():
        model = Model()
        kept.append(weakref.ref(model))
        raise ValueError("no such image")

    class Computation(FakeComputation):
        async def compute(self, part):
            if part.name == "extract large":
                model = Model()
                kept.append(weakref.ref(model))
                try:
                    broken()
                except ValueError as error:
                    raise KeyError("large") from error
            await super().compute(part)
            assert not any(reference() for reference in kept)

    (failure,) = walked([*LARGE, *SMALL], Computation(), at_once=1)
    assert len(kept) == 2
    assert failure.error.__traceback__ is not None
