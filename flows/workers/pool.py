"""The cluster that `DAWIN_GPU_POOL` names, looked at before it is relied on."""

import logging
import os

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from flows.errors import OrchestrationError

DEPLOYMENT = "gpu"  # of each flow that workers run, as prefect.yaml calls it
ON_WORKERS = ("extract-outputs", "merge-weights", "evaluate-merges")

_IN_FLIGHT = 64

log = logging.getLogger("dawin.pool")


def pool() -> str | None:
    """Return the work pool that child flows are sent to; None: they run in this process."""
    return os.environ.get("DAWIN_GPU_POOL") or None


def in_flight() -> int:
    """Return how many child flows a parent has sent at a time; how many work at once is the pool's own limit.

    Raises:
        OrchestrationError: `DAWIN_IN_FLIGHT` is no number from 1 on.
    """
    wanted = os.environ.get("DAWIN_IN_FLIGHT") or str(_IN_FLIGHT)
    if not wanted.isdecimal() or not int(wanted):
        raise OrchestrationError(f"DAWIN_IN_FLIGHT={wanted}: wanted a whole number from 1 on, such as {_IN_FLIGHT}")
    return int(wanted)


async def check_pool() -> None:
    """See that the pool and the deployments are there, and say so when no worker is.

    Raises:
        OrchestrationError: no such pool, or a deployment that was never made; the message says what makes it.
    """
    name = pool()
    if name is None:
        return
    in_flight()
    async with get_client() as client:
        try:
            await client.read_work_pool(name)
        except ObjectNotFound as error:
            raise OrchestrationError(
                f"DAWIN_GPU_POOL={name}: no such work pool; prefect work-pool create {name} --type process"
            ) from error
        for flow in ON_WORKERS:
            try:
                await client.read_deployment_by_name(f"{flow}/{DEPLOYMENT}")
            except ObjectNotFound as error:
                raise OrchestrationError(
                    f"deployment {flow}/{DEPLOYMENT} was never made; prefect deploy --all"
                ) from error
        workers = await client.read_workers_for_work_pool(name)
        if not any(worker.status == WorkerStatus.ONLINE for worker in workers):
            log.warning("work pool %s has no worker online: runs wait for prefect worker start --pool %s", name, name)
