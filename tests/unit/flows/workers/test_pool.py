"""The check of a work pool before a run relies on it, against a Prefect API without workers."""

import asyncio
import uuid

import pytest

from flows.errors import OrchestrationError
from flows.workers.pool import check_pool

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def name(monkeypatch):
    """The name of a work pool that the environment names and nobody has created."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("DAWIN_GPU_POOL", name)
    return name


def test_a_missing_pool_is_refused_with_the_command_that_creates_it(name):
    """The message names the variable, the pool and the command."""
    message = (
        f"DAWIN_GPU_POOL={name}: no such work pool; create it with prefect work-pool create {name} --type warm-process"
    )
    with pytest.raises(OrchestrationError, match=message):
        asyncio.run(check_pool())


def test_a_missing_deployment_is_refused_with_the_command_that_creates_it(name):
    """The pool exists; the message names the first deployment that does not."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    async def check():
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        await check_pool()

    message = "deployment extract-outputs/gpu does not exist; create it with prefect deploy --all"
    with pytest.raises(OrchestrationError, match=message):
        asyncio.run(check())


def test_no_pool_needs_no_check(monkeypatch):
    """Without DAWIN_GPU_POOL, Prefect's API is not asked."""
    monkeypatch.delenv("DAWIN_GPU_POOL", raising=False)
    monkeypatch.setenv("DAWIN_IN_FLIGHT", "no number")
    asyncio.run(check_pool())
