"""The workers of a pool and the runs that share them, as a Prefect API counts them."""

import asyncio
import uuid

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Completed, Running

from flows.workers.sharing import PARENT, share_of

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


async def of_a_pool(kind, *, workers, limit=None):
    """Return the share of a new pool with some workers, which have just reported to the API."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=name, type=kind, concurrency_limit=limit))
        for number in range(workers):
            await client.send_worker_heartbeat(name, f"worker-{number}")
    return await share_of(name)


@pytest.mark.parametrize(
    ("kind", "workers", "limit", "at_once"),
    [
        ("warm-process", 3, None, 3),
        ("process", 3, None, 3),
        ("warm-process", 3, 2, 2),
        ("warm-process", 2, 100, 2),
        ("warm-process", 0, 100, 1),
        ("kubernetes", 1, 40, 40),
        ("kubernetes", 2, None, 2),
    ],
)
def test_a_pool_runs_a_child_for_each_worker_or_as_many_as_its_limit(kind, workers, limit, at_once):
    """A worker of processes has one GPU; one of Kubernetes sends jobs up to the limit; none online counts as one."""
    assert asyncio.run(of_a_pool(kind, workers=workers, limit=limit)).workers == at_once


def test_parents_that_are_under_way_share_the_workers():
    """Runs of other flows, and parents that have ended, have no share."""

    @flow(name=PARENT)
    def parent():
        pass

    @flow(name="another")
    def another():
        pass

    async def counted():
        async with get_client() as client:
            first = await client.create_flow_run(parent, state=Running())
            counts = [(await of_a_pool("warm-process", workers=1)).runs]
            for one in (parent, another):
                await client.create_flow_run(one, state=Running())
            counts.append((await of_a_pool("warm-process", workers=1)).runs)
            await client.set_flow_run_state(first.id, Completed(), force=True)
            counts.append((await of_a_pool("warm-process", workers=1)).runs)
        return counts

    first, second, third = asyncio.run(counted())
    assert first >= 1
    assert (second, third) == (first + 1, first)
