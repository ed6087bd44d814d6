"""Places for children: never more than the limit, the highest rank first, and none is lost."""

import asyncio

from flows.workers.slots import Slots


async def held(slots, rank, begun, ready):
    """Take a place, note it, and give it back when the event is set."""
    async with slots.taken(rank):
        begun.append(rank)
        await ready.wait()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_highest_rank_gets_the_next_place():
    """Children that already run keep theirs, whatever their rank."""

    async def go():
        slots, begun, ready = Slots(1), [], asyncio.Event()
        going = [asyncio.ensure_future(held(slots, rank, begun, ready)) for rank in (1, 5, 3, 5)]
        await settle()
        assert begun == [1]
        ready.set()
        await asyncio.gather(*going)
        assert begun == [1, 5, 5, 3]

    asyncio.run(go())


def test_no_more_children_hold_places_than_the_limit():
    """And all get one in the end."""

    async def go():
        slots, begun, ready = Slots(3), [], asyncio.Event()
        going = [asyncio.ensure_future(held(slots, rank, begun, ready)) for rank in range(10)]
        await settle()
        assert len(begun) == 3
        ready.set()
        await asyncio.gather(*going)
        assert sorted(begun) == list(range(10))

    asyncio.run(go())


def test_a_place_of_a_cancelled_child_is_given_on():
    """Whether it waits, holds a place, or was given one in the moment of its cancellation."""

    async def go():
        slots, begun, ready = Slots(1), [], asyncio.Event()
        first, second, third = (asyncio.ensure_future(held(slots, rank, begun, ready)) for rank in (3, 2, 1))
        await settle()
        first.cancel()
        await asyncio.sleep(0)  # the place goes to the second
        second.cancel()
        await settle()
        assert begun[-1] == 1
        ready.set()
        await third
        async with slots.taken():
            pass

    asyncio.run(go())


def test_many_children_are_asked_for_less_often():
    """All together about twenty times a second, a single one once a second."""

    async def go():
        slots, begun, ready = Slots(100), [], asyncio.Event()
        assert slots.poll_seconds == 1.0
        going = [asyncio.ensure_future(held(slots, 0, begun, ready)) for _ in range(100)]
        await settle()
        assert slots.poll_seconds == 5.0
        ready.set()
        await asyncio.gather(*going)
        assert slots.poll_seconds == 1.0

    asyncio.run(go())
