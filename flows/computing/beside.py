"""Heavy functions of a parent in a thread, so that it goes on asking for its children's states meanwhile."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Return a function's result, computed in a thread of its own with the present context.

    An interrupt does not wait for the thread: it is a daemon, which neither the end of the event loop nor that of the
    process joins. A fit that is cut off so leaves whole objects, as a killed one does.

    Args:
        function: called without arguments.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    ended, found = asyncio.Event(), Future[T]()

    def run() -> None:
        try:
            found.set_result(context.run(function))
        except BaseException as error:
            found.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, name="fit", daemon=True).start()
    await ended.wait()
    return found.result()
