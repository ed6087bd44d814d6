"""Heavy work in a thread: the loop goes on, errors and context arrive, and an interrupt does not wait."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from flows.computing.beside import in_thread

NAME = ContextVar("name", default="")


def test_the_loop_goes_on_while_the_thread_computes():
    """The function ends only when the loop has set an event."""

    async def go():
        event = threading.Event()
        going = asyncio.ensure_future(in_thread(lambda: event.wait(30)))
        await asyncio.sleep(0)
        event.set()
        return await going

    assert asyncio.run(go()) is True


def test_the_function_sees_the_context_and_its_error_arrives():
    """As if it had been called here."""

    def fail():
        raise LookupError(NAME.get())

    async def go():
        NAME.set("caller's")
        await in_thread(fail)

    with pytest.raises(LookupError, match="caller's"):
        asyncio.run(go())


def test_an_interrupt_does_not_wait_for_the_thread():
    """The loop ends although the function is still at work."""
    event = threading.Event()

    async def go():
        going = asyncio.ensure_future(in_thread(lambda: event.wait(30)))
        await asyncio.sleep(0)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    asyncio.run(go())
    working = [thread for thread in threading.enumerate() if thread.name == "fit"]
    event.set()
    assert working
    for thread in working:
        assert thread.daemon
        thread.join()
