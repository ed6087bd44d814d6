"""The work pool that `DAWIN_GPU_POOL` names, and the check that it can run children."""

import logging
import os

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from flows.errors import OrchestrationError

DEPLOYMENT = "gpu"
"""Name, in prefect.yaml, of the deployment of each flow that workers run."""
ON_WORKERS = ("extract-outputs", "merge-weights", "evaluate-merges")
"""Names of the flows that workers run."""

log = logging.getLogger("dawin.pool")


def pool() -> str | None:
    """Return the name of the work pool that runs child flows; None: they run in this process."""
    return os.environ.get("DAWIN_GPU_POOL") or None


def in_flight() -> int | None:
    """Return the largest number of children that a parent has sent and not seen end; None: by the number of workers.

    Raises:
        OrchestrationError: `DAWIN_IN_FLIGHT` is not a positive whole number.
    """
    wanted = os.environ.get("DAWIN_IN_FLIGHT")
    if not wanted:
        return None
    if not wanted.isdecimal() or not int(wanted):
        raise OrchestrationError(f"DAWIN_IN_FLIGHT={wanted}: wanted a positive whole number, such as 64")
    return int(wanted)


async def check_pool() -> None:
    """Check that the pool and its deployments exist; warn if no worker is online.

    Raises:
        OrchestrationError: the pool or a deployment does not exist; the message names the command that creates it.
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
                f"DAWIN_GPU_POOL={name}: no such work pool; create it with"
                f" prefect work-pool create {name} --type warm-process"
            ) from error
        for flow in ON_WORKERS:
            try:
                await client.read_deployment_by_name(f"{flow}/{DEPLOYMENT}")
            except ObjectNotFound as error:
                raise OrchestrationError(
                    f"deployment {flow}/{DEPLOYMENT} does not exist; create it with prefect deploy --all"
                ) from error
        workers = await client.read_workers_for_work_pool(name)
        if not any(worker.status == WorkerStatus.ONLINE for worker in workers):
            log.warning("work pool %s has no worker online; start one with prefect worker start --pool %s", name, name)
