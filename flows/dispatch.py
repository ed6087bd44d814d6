"""Where child flows run: the one seam between a laptop and a cluster.

Here they run in this process, one after the other: one machine's cores, or its one GPU, are used up by one child. With
`DAWIN_GPU_POOL` they run on the workers of that Prefect work pool, several at a time, each sent by a task whose retries
send it anew when a worker or the child dies: retries of the flow itself would not cover a crash.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import Flow, tags, task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.context import TaskRunContext
from prefect.deployments import arun_deployment

from flows.cluster import DEPLOYMENT, pool
from flows.settings import Experiment
from tasks.streaming import Tally

log = logging.getLogger("dawin.dispatch")

_RETRIES = 3
_RETRY_SECONDS = 5.0
_POLL_SECONDS = 1.0
_IN_FLIGHT = 64  # runs at a time; how many work at once is the pool's own limit


class ChildFailed(RuntimeError):
    """A child flow run did not complete."""


@dataclass(frozen=True)
class Work:
    """A child flow's run, to be done here or elsewhere."""

    child: Flow[..., Coroutine[Any, Any, Tally]]
    name: str
    """Of the run, as the UI shows it."""
    experiment: Experiment
    parameters: Mapping[str, Any]
    """The others, as JSON takes them."""

    @property
    def tags(self) -> list[str]:
        """What the run is found by."""
        chosen = [f"experiment:{self.experiment.name}"]
        if dataset := self.parameters.get("dataset"):
            chosen.append(f"dataset:{dataset}")
        return chosen


async def dispatch(works: Sequence[Work]) -> None:
    """Do all works; those on a pool at the same time, as far as its workers go.

    Raises:
        ChildFailed: one of them did not complete, though it was sent several times; the others were waited for.
        Exception: what a child raised that ran here.
    """
    if not works:
        return
    if pool() is None:
        for work in works:
            with tags(*work.tags):
                await work.child.with_options(flow_run_name=work.name)(experiment=work.experiment, **work.parameters)
        return
    progress = await acreate_progress_artifact(progress=0.0, description=f"0 of {len(works)}: {works[0].child.name}")
    limit, done = asyncio.Semaphore(int(os.environ.get("DAWIN_IN_FLIGHT", _IN_FLIGHT))), 0

    async def send(work: Work) -> None:
        nonlocal done
        async with limit:
            await _sent.with_options(task_run_name=f"send {work.name}")(
                f"{work.child.name}/{DEPLOYMENT}",
                work.name,
                {"experiment": work.experiment.model_dump(mode="json"), **work.parameters},
                work.tags,
            )
        done += 1
        said = f"{done} of {len(works)}: {work.child.name}"
        await aupdate_progress_artifact(artifact_id=progress, progress=100.0 * done / len(works), description=said)

    outcomes = await asyncio.gather(*map(send, works), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


@task(name="send", retries=_RETRIES, retry_delay_seconds=_RETRY_SECONDS, cache_policy=NO_CACHE)
async def _sent(deployment: str, name: str, parameters: dict[str, Any], tags: list[str]) -> None:
    """Have a worker run a deployment, and wait for its end."""
    attempt = getattr(TaskRunContext.get(), "task_run", None)
    again = f" (again, {attempt.run_count})" if attempt and attempt.run_count > 1 else ""
    run: FlowRun = await arun_deployment(
        deployment,
        parameters=parameters,
        flow_run_name=f"{name}{again}",
        tags=tags,
        as_subflow=True,
        poll_interval=_POLL_SECONDS,
    )
    if run.state is None or not run.state.is_completed():
        state = "no state" if run.state is None else f"{run.state.name}: {run.state.message or ''}".strip(": ")
        raise ChildFailed(f"{name}: its run {run.id} ended as {state}")
