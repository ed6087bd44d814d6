"""Runs in a notebook: a notebook's thread has an event loop already, and Prefect's flows need one of their own."""

import asyncio
import contextvars
import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_own_loop(work: Callable[[], T]) -> T:
    """Return the result of work that starts an event loop, wherever it is called from.

    Where a loop runs in the calling thread, the work goes to a thread of its own, with the caller's context. An
    interrupt of the caller interrupts the work.

    Args:
        work: starts and ends an event loop.

    Raises:
        BaseException: the error of the work.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    outcome: list[T] = []
    errors: list[BaseException] = []
    context, done = contextvars.copy_context(), threading.Event()

    def attempt() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=attempt, name="dawin-run")
    thread.start()
    try:
        done.wait()  # a `join` that is interrupted would count the thread as ended
    except KeyboardInterrupt:
        _interrupt(thread)
        done.wait()
        raise
    finally:
        thread.join()
    if errors:
        raise errors[0]
    return outcome[0]


def _interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread, at its next line of Python."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
