"""The ends of child flow runs: one request a second asks for all of a parent's children together.

A request for each child would make the server answer as many requests as a parent has children in flight, every few
seconds, for as long as they compute.
"""

import asyncio
import logging
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun

log = logging.getLogger("dawin.dispatch")

_SECONDS = 1.0  # between two requests
_RETRY_SECONDS = 5.0  # while the API does not answer
_LOOK_FOR_DELETED = 30  # requests, after which runs that were deleted are looked for: they have no end


class Ends:
    """Waits for the final states of a flow's children, which all live in its event loop and use its client."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, asyncio.Future[FlowRun]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._asked = 0

    async def of(self, run: UUID) -> FlowRun:
        """Return a flow run once it has a final state; runs continue while the API is unreachable.

        Args:
            run: its id.

        Raises:
            ObjectNotFound: the run was deleted.
            httpx.HTTPStatusError: the API refuses the request.
        """
        end: asyncio.Future[FlowRun] = asyncio.get_running_loop().create_future()
        self._waiting[run] = end
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        try:
            return await end
        finally:
            self._waiting.pop(run, None)

    async def _ask(self) -> None:
        """Ask until no run is waited for."""
        while self._waiting:
            try:
                async with get_client() as client:
                    while self._waiting:
                        await asyncio.sleep(_SECONDS)
                        if self._waiting:
                            await self._settle(client)
            except Exception as error:
                if _is_refusal(error):
                    self._fail(error)
                    continue
                log.warning("the API does not answer (%s), asking again for %d runs", error, len(self._waiting))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _settle(self, client: PrefectClient) -> None:
        """Ask once, and give the runs that have ended to those who wait for them."""
        ids = FlowRunFilterId(any_=list(self._waiting))
        final = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES)))
        ended = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=ids, state=final))
        for run in ended:
            if run.state is not None and (end := self._open(run.id)):
                end.set_result(run)
        self._asked += 1
        if self._asked % _LOOK_FOR_DELETED == 0:
            await self._look_for_deleted(client)

    async def _look_for_deleted(self, client: PrefectClient) -> None:
        waiting = list(self._waiting)
        if not waiting or await client.count_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=waiting))
        ) == len(waiting):
            return
        for run in waiting:
            try:
                await client.read_flow_run(run)
            except Exception as error:
                if not _is_refusal(error):
                    raise
                self._fail(error, run)

    def _fail(self, error: Exception, *runs: UUID) -> None:
        """Give an error to those who wait for some runs, or for any."""
        for run in runs or list(self._waiting):
            if end := self._open(run):
                end.set_exception(error)

    def _open(self, run: UUID) -> asyncio.Future[FlowRun] | None:
        """Return the end that somebody waits for, for the last time; None if nobody does."""
        end = self._waiting.pop(run, None)
        return None if end is None or end.done() else end


def _is_refusal(error: Exception) -> bool:
    """Return whether another request would have the same answer; else the API did not answer, or has a fault."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code < 500 and error.response.status_code not in (408, 429)
    return not isinstance(error, httpx.HTTPError)
