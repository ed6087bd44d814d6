"""The automations that end flow runs whose process and worker both died: without them they would stay as they are.

    PREFECT_API_URL=… python infra/heartbeats.py [SECONDS]

A run of ours that has begun and then sends neither a heartbeat nor its end within the time (default: 100 seconds, three
heartbeats of workers with PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30) is marked Crashed, which has its dispatch send it anew.
So is one that a worker has taken and not begun within 15 minutes, in which a cluster finds a place for a pod.
Runs of others on the same server, who may send no heartbeats, are left alone: ours bear the tag `dawin`.
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
_BEGUN, _TAKEN, _HEARTBEAT = (f"prefect.flow-run.{what}" for what in ("Running", "Pending", "heartbeat"))
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed")}
_WAITS = {f"prefect.flow-run.{state}" for state in ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Paused")}


async def create(seconds: float = SECONDS) -> None:
    """Create the automations, in the place of those of the same names."""
    await _create("flow runs without heartbeats have crashed", {_BEGUN, _HEARTBEAT}, {_HEARTBEAT}, seconds)
    await _create("flow runs that were taken and not begun have crashed", {_TAKEN}, {_BEGUN}, TAKEN_SECONDS)


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
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"nothing heard for {seconds:.0f} seconds")],
    )
    await automation.acreate()


if __name__ == "__main__":
    asyncio.run(create(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
