"""The places for children in flight: all data sets of a run share them, and the most urgent child goes first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

_POLLS_A_SECOND = 20  # of all children of a parent together; a single child is polled once per second


class Slots:
    """A limit on the number of children in flight.

    Args:
        limit: number of children.
    """

    def __init__(self, limit: int) -> None:
        self._free, self._taken = limit, 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @property
    def poll_seconds(self) -> float:
        """The time between two questions for the state of a child, so that all children together ask seldom."""
        return max(1.0, self._taken / _POLLS_A_SECOND)

    @asynccontextmanager
    async def taken(self, rank: float = 0.0) -> AsyncIterator[None]:
        """Hold a place for a child; the waiting child of the highest rank gets the next place that is given back.

        Args:
            rank: of the child; among equal ones the first to ask is the first to go.
        """
        await self._take(rank)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._give_back()

    async def _take(self, rank: float) -> None:
        if self._free:  # then nobody waits
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-rank, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it got a place in the same moment
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
