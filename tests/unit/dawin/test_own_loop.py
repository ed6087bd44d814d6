"""Work that needs an event loop of its own: its result, its error, its context, and an interrupt."""

import asyncio
import signal
import threading
import time
from contextvars import ContextVar

import pytest

from dawin.own_loop import in_own_loop

NAME: ContextVar[str] = ContextVar("name")


def in_a_notebook(work):
    """Call `in_own_loop` where a loop runs already."""

    async def cell():
        NAME.set("cell")
        return in_own_loop(work)

    return asyncio.run(cell())


async def answer():
    return 42, threading.current_thread() is threading.main_thread()


def test_work_starts_a_loop_where_one_runs_already():
    """It runs in a thread of its own, and in the caller's thread where no loop runs."""
    assert in_a_notebook(lambda: asyncio.run(answer())) == (42, False)
    assert in_own_loop(lambda: asyncio.run(answer())) == (42, True)


def test_work_sees_the_context_of_its_caller():
    """So that progress goes to the caller's listener."""
    assert in_a_notebook(NAME.get) == "cell"


def test_the_error_of_the_work_is_the_callers():
    """Its class and its message stay."""

    def fail():
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        in_a_notebook(fail)


def test_an_interrupt_ends_the_work():
    """The thread of the work raises KeyboardInterrupt too, and has ended when the caller goes on."""
    ended = []

    def endless():
        main = threading.main_thread().ident
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            ended.append("interrupted")
            raise

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(_cell(endless))
    assert ended == ["interrupted"]
    assert threading.active_count() <= before


async def _cell(work):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a notebook; asyncio.run has another one
    return in_own_loop(work)
