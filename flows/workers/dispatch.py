"""Where child flows run: the one seam between a laptop and a cluster.

Here they run in this process, one after the other: one machine's cores, or its one GPU, are used up by one child. With
`DAWIN_GPU_POOL` they run on the workers of that Prefect work pool, several at a time, each sent by a task whose retries
send it anew when a worker or the child dies: retries of the flow itself would not cover a crash.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

import anyio
import httpx
from prefect import Flow, tags, task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.deployments import arun_deployment
from prefect.states import Cancelling
from prefect.tasks import Task

from flows.experiment.settings import Experiment
from flows.workers.pool import DEPLOYMENT, in_flight, pool
from flows.workers.tags import tags_of
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.dispatch")

_RETRIES = 3
_RETRY_SECONDS = 5.0
_POLLS_A_SECOND = 20  # at the API, by all sends of a parent together; one alone asks once a second


class ChildFailed(RuntimeError):
    """A child flow run did not complete."""


class ChildCancelled(ChildFailed):
    """A child flow run was cancelled: somebody wants it to end, so it is not sent again."""


@dataclass(frozen=True)
class Work:
    """A child flow's run, to be done here or elsewhere."""

    flow: str
    """The child's name: flow `verb-noun` is `verb_noun` in `flows/verb_noun.py`."""
    name: str
    """Of the run, as the UI shows it."""
    experiment: Experiment
    parameters: Mapping[str, Any]
    """The others, as JSON takes them."""

    @property
    def tags(self) -> list[str]:
        """What the run is found by."""
        return tags_of(self.experiment, self.parameters.get("dataset"))


async def dispatch(works: Sequence[Work]) -> None:
    """Do all works; those on a pool at the same time, as far as its workers go.

    Raises:
        ChildFailed: one of them did not complete, though it was sent several times; the others were waited for.
        Exception: what a child raised that ran here.
    """
    if pool() is not None:
        await _send_all(works)
        return
    for work in works:
        with tags(*work.tags):
            child = child_flow(work.flow).with_options(flow_run_name=work.name)
            await child(experiment=work.experiment, **work.parameters)


def child_flow(name: str) -> Flow[..., Coroutine[Any, Any, Tally]]:
    """Return a child flow by its name; it is loaded now, and torch with it, which whoever sends it need not."""
    module = name.replace("-", "_")
    found: Flow[..., Coroutine[Any, Any, Tally]] = getattr(import_module(f"flows.{module}"), module)
    return found


async def _send_all(works: Sequence[Work]) -> None:
    if not works:
        return
    kind = works[0].flow
    progress = await acreate_progress_artifact(progress=0.0, description=f"0 of {len(works)}: {kind}")
    limit, done = asyncio.Semaphore(in_flight()), 0
    poll_seconds = max(1.0, min(len(works), in_flight()) / _POLLS_A_SECOND)

    async def send(work: Work) -> None:
        nonlocal done
        parameters = {"experiment": work.experiment.model_dump(mode="json"), **work.parameters}
        async with limit:
            await _sent.with_options(task_run_name=f"send {work.name}")(
                f"{work.flow}/{DEPLOYMENT}", work.name, parameters, work.tags, poll_seconds
            )
        done += 1
        said = f"{done} of {len(works)}: {kind}"
        try:
            await aupdate_progress_artifact(artifact_id=progress, progress=100.0 * done / len(works), description=said)
        except Exception as error:  # the work is done, whether or not it can be shown
            log.warning("progress not shown (%s): %s", said, error)

    outcomes = await asyncio.gather(*map(send, works), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _is_worth_another(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return not isinstance(await state.aresult(raise_on_failure=False), ChildCancelled)


@task(
    name="send",
    retries=_RETRIES,
    retry_delay_seconds=_RETRY_SECONDS,
    retry_condition_fn=_is_worth_another,
    cache_policy=NO_CACHE,
)
async def _sent(deployment: str, name: str, parameters: dict[str, Any], tags: list[str], poll_seconds: float) -> None:
    """Have a worker run a deployment, and wait for its end; when the wait is cut off, the run is cancelled too."""
    attempt = getattr(TaskRunContext.get(), "task_run", None)
    again = f" (again, {attempt.run_count})" if attempt and attempt.run_count > 1 else ""
    creating = asyncio.ensure_future(
        arun_deployment(
            deployment,
            parameters=parameters,
            flow_run_name=f"{name}{again}",
            tags=tags,
            as_subflow=True,
            timeout=0,
            # an answer that is lost has the client ask again: for the same run, not for a second one
            idempotency_key=f"{attempt.id}-{attempt.run_count}" if attempt else None,
        )
    )
    try:
        run = await asyncio.shield(creating)
        state = await _end_of(run.id, poll_seconds)
    except Exception:
        raise
    except BaseException:  # cancelled, terminated, interrupted
        await _cancel((await creating).id)
        raise
    if not state.is_completed():
        failure = ChildCancelled if state.is_cancelled() else ChildFailed
        told = f"{state.name}: {state.message or ''}".strip(": ")
        raise failure(f"{name}: its run {run.id} ended as {told}")


async def _end_of(run: UUID, poll_seconds: float) -> State[Any]:
    """Return a flow run's final state, once there is one; a server that is away is waited for: the run goes on."""
    while True:
        try:
            async with get_client() as client:
                while True:
                    state = (await client.read_flow_run(run)).state
                    if state is not None and state.is_final():
                        return state
                    await asyncio.sleep(poll_seconds)
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500:
                raise
            log.warning("run %s: the API does not answer (%s), asking on", run, error)
            await asyncio.sleep(_RETRY_SECONDS)


async def _cancel(run: UUID) -> None:
    """Ask for a flow run's end; its worker kills the process."""
    with anyio.move_on_after(10, shield=True):
        async with get_client() as client:
            await client.set_flow_run_state(run, Cancelling(message="Its parent was interrupted."))
