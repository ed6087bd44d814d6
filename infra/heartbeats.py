"""The automation that ends flow runs whose process and worker both died: without it they would stay Running for ever.

    PREFECT_API_URL=… python infra/heartbeats.py [SECONDS]

A run that has sent a heartbeat and then neither another one nor its end within the time (default: 100 seconds, three
heartbeats of workers with PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30) is marked Crashed, which has its dispatch send it anew.
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

NAME = "flow runs without heartbeats have crashed"
SECONDS = 100.0
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}


async def create(seconds: float = SECONDS) -> None:
    """Create the automation, in the place of one of the same name."""
    async with get_client() as client:
        for old in await client.read_automations_by_name(NAME):
            await client.delete_automation(old.id)
    automation = Automation(
        name=NAME,
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
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
