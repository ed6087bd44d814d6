"""Create the automations that mark a flow run Crashed when its process and its worker have both died.

    PREFECT_API_URL=… python infra/heartbeats.py [SECONDS]

Without them such a run stays Running for ever. The first automation marks a run that has started and sends no heartbeat
for some time (default: 100 seconds, three heartbeats of workers with PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30); its parent
then sends it again. The second marks a run that a worker has taken and not started within 15 minutes, which leaves
Kubernetes time to place a pod. Both apply to runs with the tag `dawin` only: other users of the server may send no
heartbeats.
"""

import asyncio
import sys
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

SECONDS = 100.0
TAKEN_SECONDS = 900.0
_STARTED, _TAKEN, _HEARTBEAT = (f"prefect.flow-run.{event}" for event in ("Running", "Pending", "heartbeat"))
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed")}
_WAITS = {f"prefect.flow-run.{state}" for state in ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Paused")}


async def create(seconds: float = SECONDS) -> None:
    """Create the automations, in place of older ones with the same names.

    Args:
        seconds: time without a heartbeat after which a run is marked Crashed.
    """
    await _create("flow runs without heartbeats have crashed", {_STARTED, _HEARTBEAT}, {_HEARTBEAT}, seconds)
    await _create("flow runs that were taken and not started have crashed", {_TAKEN}, {_STARTED}, TAKEN_SECONDS)


async def _create(name: str, after: set[str], expect: set[str], seconds: float) -> None:
    async with get_client() as client:
        for old in await client.read_automations_by_name(name):
            await client.delete_automation(old.id)
    automation = Automation(
        name=name,
        trigger=EventTrigger(
            after=after,
            expect=expect | _ENDS | _WAITS,
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": ["tag"], "prefect.resource.id": ["prefect.tag.dawin"]}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"no heartbeat for {seconds:.0f} seconds")],
    )
    await automation.acreate()


if __name__ == "__main__":
    asyncio.run(create(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
