"""The worker type `warm-process`: Prefect's process worker, whose runs are forked from a process with all imports.

Prefect finds the class by the entry point `prefect.collections` of this project: a work pool of this type, or
`prefect worker start --type warm-process`, uses it. A run whose job variables name a command starts that command, as a
process worker would.
"""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.settings import get_current_settings
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.workers.forking import stand_in
from flows.workers.forking.fork_servers import ForkServers

STAND_IN = command_to_string([sys.executable, "-I", "-S", str(Path(stand_in.__file__).resolve())])
"""The command of a run without a command of its own."""

log = logging.getLogger("prefect.workers.warm-process")


class WarmProcessJobConfiguration(ProcessJobConfiguration):
    """The job variables of a process worker; without a command, a fork server runs the flow."""

    def prepare_for_flow_run(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401  whatever Prefect passes
        """Choose the command, then prepare as a process worker does."""
        self.command = self.command or STAND_IN
        super().prepare_for_flow_run(*arguments, **named)


class WarmProcessWorker(ProcessWorker):
    """A process worker whose runs share the imports of a fork server."""

    type = "warm-process"
    job_configuration = WarmProcessJobConfiguration
    _display_name = "Warm process"
    _description = "Execute flow runs as processes that are forked from one with torch, Prefect and the flows imported."

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401  whatever Prefect passes
        super().__init__(*arguments, **named)
        self._fork_servers = ForkServers()
        self._looks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run a flow to its end and return the exit status of its process; then look for the next run at once."""
        if configuration.command == STAND_IN:
            address = await self._fork_servers.address(_environment(configuration))
            configuration.env[stand_in.SERVER] = address or ""
        try:
            return await super().run(flow_run, configuration, task_status)
        finally:
            self._look_soon()

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401  whatever Prefect passes
        """Wait for the runs, whatever ends the worker, then stop the fork servers.

        A signal cancels the worker's main task. Prefect 3.8.8 would hand this on to the tasks of the runs, which kill
        their processes and leave the runs in the state Running.
        """
        try:
            await super().teardown(None, None, None)
        finally:
            await self._fork_servers.stop()

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """Take the runs that a look has found, unless the worker began to end meanwhile."""
        return await super()._submit_scheduled_flow_runs(flow_run_response) if self.is_setup else []

    def _look_soon(self) -> None:
        """Ask for runs when the ended one has given its slot back, and not only after the usual interval."""
        if self.is_setup:
            look = asyncio.ensure_future(self._look())
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self) -> None:
        try:
            await self.get_and_submit_flow_runs()
        except (httpx.HTTPError, RuntimeError) as error:  # the usual look comes soon; a worker that ends has no client
            log.debug("no look for runs: %s", error)


def _environment(configuration: ProcessJobConfiguration) -> dict[str, str]:
    """Return the variables that the process of a run will have; Prefect's own settings come last."""
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    variables = {**os.environ, **configuration.env, **settings}
    return {name: value for name, value in variables.items() if value is not None}
