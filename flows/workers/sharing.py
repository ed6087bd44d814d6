"""The workers of the pool, and the runs that share them."""

from typing import NamedTuple

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType, WorkerStatus

_ONE_A_WORKER = ("process", "warm-process")  # types of pools whose workers are a GPU each, by infra/
PARENT = "run-experiment"


class Share(NamedTuple):
    """Workers, and the runs that share them."""

    workers: int
    runs: int


async def share_of(pool: str) -> Share:
    """Return how many children a pool runs at a time, and how many runs send it children.

    A worker of a pool of processes runs one at a time. Others run as many as the pool's concurrency limit says.

    Args:
        pool: name of the work pool.
    """
    async with get_client() as client:
        found = await client.read_work_pool(pool)
        workers = await client.read_workers_for_work_pool(pool)
        online = sum(worker.status == WorkerStatus.ONLINE for worker in workers)
        limit = found.concurrency_limit
        if found.type in _ONE_A_WORKER:
            online = min(online, online if limit is None else limit)
        elif limit is not None:
            online = limit
        return Share(max(online, 1), max(await _runs(client), 1))


async def _runs(client: PrefectClient) -> int:
    """Return the number of runs that are under way."""
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    return await client.count_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[PARENT])), flow_run_filter=FlowRunFilter(state=running)
    )
