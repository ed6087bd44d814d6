"""The walk through the parts of a run: each begins when the parts it waits for are done. A failure stops no other part.

This file knows no Prefect. Its caller says how a part is computed, and which errors end everything.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from flows.planning.plan_parts import Part

log = logging.getLogger("dawin.run")

Compute = Callable[[Part], Awaitable[None]]
"""Computes a part; an error means that the part failed."""


class Failure(NamedTuple):
    """A part that failed."""

    part: Part
    error: Exception


async def walk(
    parts: Sequence[Part],
    compute: Compute,
    *,
    at_once: int | None = None,
    is_fatal: Callable[[Exception], bool] = lambda _: False,
) -> list[Failure]:
    """Compute all parts of a run whose inputs can be had, and return the failures.

    Args:
        parts: of a run; of those that are ready, the first begins first.
        compute: computes one of them.
        at_once: number of parts that are computed at the same time; None: all that are ready.
        is_fatal: whether an error ends the run at once.

    Returns:
        One for each part that failed. Parts that wait for a failed one have not begun.

    Raises:
        Exception: the first fatal error; all other parts have been cancelled.
    """
    waiting = list(parts)
    done, failures, running = set[str](), list[Failure](), dict[asyncio.Future[None], Part]()
    try:
        while True:
            ready = [part for part in waiting if done.issuperset(part.waits_for)]
            for part in ready[: None if at_once is None else at_once - len(running)]:
                running[asyncio.ensure_future(compute(part))] = part
                waiting.remove(part)
            if not running:
                return failures
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                part, error = running.pop(one), one.exception()
                if error is None:
                    done.add(part.name)
                elif not isinstance(error, Exception) or is_fatal(error):
                    raise error
                else:
                    _release(error)
                    failures.append(Failure(part, error))
                    log.info("%s failed, the others continue: %s", part.name, error)  # the end of the run reports it
    finally:
        await _cancelled(running)


async def _cancelled(running: Iterable[asyncio.Future[None]]) -> None:
    """Cancel what runs, and wait for its end."""
    unfinished = [one for one in running if not one.done()]
    for one in unfinished:
        one.cancel()
    if unfinished:
        await asyncio.wait(unfinished)


def _release(error: BaseException) -> None:
    """Clear the variables in the frames of an error and its causes: they hold models and loaders of a failed pass."""
    seen, left = set[int](), [error]
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [other for other in (one.__cause__, one.__context__) if other is not None]
