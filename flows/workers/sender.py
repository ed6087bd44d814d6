"""The children of a run on a pool: a schedule says what each computes, and how many are in flight.

A parent sends two children for each worker of its share, and asks for the number of workers now and then, so that
workers which come or go meanwhile count.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic

from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import most_in_flight
from flows.scheduling.works import Parcel
from flows.workers.children import Child
from flows.workers.dispatch import ChildCancelled
from flows.workers.ends import Ends
from flows.workers.sharing import Share
from storage.spans import Span

log = logging.getLogger("dawin.dispatch")

_LOOK_SECONDS = 30.0  # between two questions for the number of workers

Advance = Callable[[int], Awaitable[None]]
"""Notes that some more objects of a work are complete."""
Send = Callable[[Child, Ends], Awaitable[float | None]]
"""Sends a child, waits for its end, and returns the seconds that it ran; None if a part of it ran before."""


class Sender:
    """Sends the children of all works of a run.

    Args:
        schedule: of the run's works.
        send: sends one child.
        share: returns the number of workers, and the number of runs that share them.
        limit: the largest number of children in flight; None: two for each worker of this run's share.
    """

    def __init__(
        self, schedule: Schedule, send: Send, share: Callable[[], Awaitable[Share]], limit: int | None = None
    ) -> None:
        self._schedule, self._send, self._ask, self._limit = schedule, send, share, limit
        self._children = dict[str, Child]()
        self._ends = dict[str, asyncio.Future[None]]()
        self._advance = dict[str, Advance | None]()
        self._errors = dict[str, Exception]()
        self._running = dict[asyncio.Task[None], Parcel]()
        self._is_closed, self._all_ends = False, Ends()
        self._share, self._asked_at = Share(1, 1), -_LOOK_SECONDS
        self._looking: asyncio.Task[None] | None = None

    async def compute(self, name: str, child: Child, spans: Sequence[Span], advance: Advance | None = None) -> None:
        """Compute a work in children, together with other works of the run; return at its end.

        Args:
            name: of the work.
            child: that would compute all of the work; children that compute less of it are made of this one.
            spans: of the objects to compute; none for an indivisible work.
            advance: called with the number of objects whenever some are complete.

        Raises:
            ChildCancelled: a child was cancelled.
            Exception: a child failed.
        """
        self._children[name], self._advance[name] = child, advance
        end = self._ends[name] = asyncio.get_running_loop().create_future()
        self._schedule.open(name, spans or None)
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        try:
            await self._fill()
            await end
        except asyncio.CancelledError:
            self._is_closed = True  # the run is ending
            await self._cancel(name)
            raise
        except ChildCancelled:
            await self._cancel(name)
            raise
        finally:
            if self._looking is not None and all(one.done() for one in self._ends.values()):
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        """Fill the workers that have come, while children run and nothing else happens."""
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._fill()
        except Exception as error:
            self._give_up(error)

    async def _fill(self) -> None:
        """Send children until enough are in flight."""
        if monotonic() - self._asked_at >= _LOOK_SECONDS:
            self._asked_at = monotonic()
            try:
                self._share = await self._ask()
            except Exception as error:  # children run on without the API, and so do those that follow
                log.warning("number of workers not known (%s): as before, %d", error, self._share.workers)
        most = self._limit or most_in_flight(*self._share)
        while (
            not self._is_closed and len(self._running) < most and (parcel := self._schedule.next_parcel(*self._share))
        ):
            task = asyncio.ensure_future(self._run(parcel))
            self._running[task] = parcel
            task.add_done_callback(lambda ended: self._running.pop(ended, None))

    async def _run(self, parcel: Parcel) -> None:
        """Send one child, and note its end."""
        try:
            try:
                seconds = await self._send(self._child_of(parcel), self._all_ends)
            except Exception as error:
                self._note(parcel, error)
            else:
                for piece in parcel.pieces:
                    if advance := self._advance[piece.work.name]:
                        await advance(len(piece.objects))
                self._end(self._schedule.ended(parcel, seconds))
            if task := asyncio.current_task():
                self._running.pop(task, None)
            await self._fill()
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """End all works with an error of the sender itself, since nobody may wait for ever."""
        for end in self._ends.values():
            if not end.done():
                end.set_exception(error)

    def _note(self, parcel: Parcel, error: Exception) -> None:
        names = [work.name for work in parcel.works]
        if len(names) == 1 or isinstance(error, ChildCancelled):
            self._errors |= {name: error for name in names if name not in self._errors}
        if isinstance(error, ChildCancelled):
            self._is_closed = True  # somebody wants the run to end
            self._end(names)
        else:
            self._end(self._schedule.failed(parcel))

    def _end(self, names: Sequence[str]) -> None:
        for name in names:
            error, end = self._errors.pop(name, None), self._ends[name]
            if end.done():
                continue
            if error is not None:
                end.set_exception(error)
            else:
                end.set_result(None)

    def _child_of(self, parcel: Parcel) -> Child:
        """Return the child that computes a parcel: that of its first work, with the samples of all."""
        first, *others = parcel.pieces
        child = self._children[first.work.name]
        if first.span is None:
            return child
        more = [[piece.work.dataset, list(piece.span)] for piece in others if piece.span]
        names = list(dict.fromkeys(self._children[work.name].name for work in parcel.works))
        is_whole = all(piece.objects == list(piece.work.spans) for piece in parcel.pieces)
        parts = "" if is_whole else f" ({first.span.start:,} to {first.span.stop - 1:,})"
        return replace(
            child,
            name=f"{'; '.join(names)}{parts}",
            tags=tuple(dict.fromkeys(tag for work in parcel.works for tag in self._children[work.name].tags)),
            parameters={**child.parameters, "samples": list(first.span), **({"more": more} if more else {})},
        )

    async def _cancel(self, name: str) -> None:
        """Cancel the children of a work, and wait for their end."""
        tasks = [task for task, parcel in self._running.items() if any(work.name == name for work in parcel.works)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
