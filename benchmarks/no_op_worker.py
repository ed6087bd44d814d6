"""A stand-in for a process worker that starts no process: `python -m benchmarks.no_op_worker POOL LIMIT`.

It takes flow runs from the server, reads their deployments and reports their states with the code of Prefect's process
worker. Only `run` differs: instead of a child process of five seconds it reports Running, creates one file, and reports
Completed. The requests that a child's own process would send (it reads its run and its flow, and sends heartbeats and
logs) are therefore missing.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed, Running
from prefect.utilities.engine import propose_state
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

_TWICE = "-again"  # ends the name of the file of a work that ran more than once


class NoOpWorker(ProcessWorker):
    """A process worker whose flow runs create one file each, in the folder that they have as parameter `store`."""

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Return a name of its own: the class is not Prefect's `process`, though its pools are."""
        return "no-op"

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: Any = None,
    ) -> ProcessWorkerResult:
        """Report Running, do the work, and report its end."""
        if task_status is not None:
            task_status.started(os.getpid())
        await propose_state(self.client, Running(), flow_run_id=flow_run.id)
        parameters = flow_run.parameters
        first = do_work(Path(parameters["store"]), parameters["samples"][0], str(flow_run.id))
        state = Completed() if first else Failed(message="this work was done before")
        await propose_state(self.client, state, flow_run_id=flow_run.id)
        return ProcessWorkerResult(status_code=0, identifier=str(os.getpid()))


def do_work(folder: Path, number: int, run: str) -> bool:
    """Create the file of a work, and return whether this is the first time; else leave another file that says so."""
    try:
        (folder / str(number)).open("xb").close()
    except FileExistsError:
        (folder / f"{number}-{run}{_TWICE}").touch()
        return False
    return True


def done(folder: Path) -> tuple[set[int], int]:
    """Return the numbers of the works that were done, and how many times one was done again."""
    names = [entry.name for entry in os.scandir(folder)]
    again = sum(name.endswith(_TWICE) for name in names)
    return {int(name) for name in names if not name.endswith(_TWICE)}, again


async def _work(pool: str, limit: int) -> None:
    await NoOpWorker(pool, name="no-ops", limit=limit, create_pool_if_not_found=False).start()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], int(sys.argv[2])))
