"""Where child flows run: in this process, or on the workers of a Prefect pool. No other file decides it.

In this process they run one after the other, because one child uses all cores of a machine, or its GPU. With
`DAWIN_GPU_POOL` they run on the workers of that work pool, several at a time. A task sends each child, and its retries
send the child again when it or its worker dies; retries of the flow itself would not cover a crash.
"""

import asyncio
import logging
import re
from collections.abc import Coroutine, Sequence
from importlib import import_module
from typing import Any
from uuid import UUID

import anyio
from prefect import Flow, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.deployments import arun_deployment
from prefect.states import Cancelling
from prefect.tasks import Task

from flows.workers.children import Child
from flows.workers.ends import Ends
from flows.workers.pool import DEPLOYMENT, pool
from flows.workers.quick_imports import without_collection
from storage.errors import ObjectDamaged, ObjectMissing, VectorsMissing
from tasks import errors as input_errors
from tasks.errors import InputError
from tasks.progress import work
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.dispatch")

STAGES = {"extract-outputs": "extract", "merge-weights": "make models", "evaluate-merges": "evaluate"}
_RETRIES = 3
_RETRY_SECONDS = 5.0
_CANCEL_SECONDS = 10.0
# the errors of wrong inputs and damaged objects, by the name that the state of a failed run gives
_LASTING = {
    *(name for name, kind in vars(input_errors).items() if isinstance(kind, type) and issubclass(kind, InputError)),
    *(kind.__name__ for kind in (ObjectMissing, VectorsMissing, ObjectDamaged)),
}
_ERROR = re.compile(r"encountered an exception:? (\w+)")


class ChildFailed(RuntimeError):
    """A child flow run did not complete."""


class ChildCancelled(ChildFailed):
    """A child flow run was cancelled. Somebody wants it to end, so it is not sent again."""


class ChildRefused(ChildFailed):
    """A child flow run met a wrong input or a damaged object. Another one would meet the same."""


async def dispatch(children: Sequence[Child]) -> None:
    """Run children one after the other, in this process or on the pool.

    A `Sender` sends the children of a run to the pool, several at a time.

    Args:
        children: as a rule, one.

    Raises:
        ChildFailed: a child on the pool did not complete, even after its retries.
        ChildCancelled: somebody cancelled a child on the pool.
        Exception: the error of a child that ran in this process.
    """
    for child in children:
        if pool() is not None:
            with work(child.name, 1, stage=STAGES.get(child.flow), unit="runs") as shown:
                await send_child(child, Ends())
                shown.advance(1)
        else:
            with tags(*child.tags):
                run = child_flow(child.flow).with_options(flow_run_name=child.name)
                await run(**child.parameters)


def child_flow(name: str) -> Flow[..., Coroutine[Any, Any, Tally]]:
    """Return a child flow by its name.

    This imports the flow's module and torch. A parent that only sends children does not call it.
    """
    module = name.replace("-", "_")
    with without_collection():
        found: Flow[..., Coroutine[Any, Any, Tally]] = getattr(import_module(f"flows.{module}"), module)
    return found


async def send_child(child: Child, ends: Ends) -> float | None:
    """Send a child to the pool, again if it dies, and wait for its end.

    Args:
        child: for a worker.
        ends: waits for the ends of all children of the same parent.

    Returns:
        The seconds that it ran; None if it was sent more than once.

    Raises:
        ChildFailed: it did not complete, even after its retries.
        ChildCancelled: somebody cancelled it.
    """
    return await _sent.with_options(task_run_name=f"send {child.name}")(
        f"{child.flow}/{DEPLOYMENT}", child.name, dict(child.parameters), list(child.tags), ends
    )


async def is_worth_another(_task: Task[..., Any] | None, _run: TaskRun | None, state: State[Any]) -> bool:
    """Return whether to send a child again that ended in a state: not if it was cancelled, or its inputs are wrong."""
    return not isinstance(await state.aresult(raise_on_failure=False), ChildCancelled | ChildRefused)


@task(
    name="send",
    retries=_RETRIES,
    retry_delay_seconds=_RETRY_SECONDS,
    retry_condition_fn=is_worth_another,
    cache_policy=NO_CACHE,
)
async def _sent(deployment: str, name: str, parameters: dict[str, Any], tags: list[str], ends: Ends) -> float | None:
    """Make a worker run a deployment, and wait for the end; if the wait is interrupted, the run is cancelled too."""
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
            # when an answer is lost the client asks again: for the same run, not for a second one
            idempotency_key=f"{attempt.id}-{attempt.run_count}" if attempt else None,
        )
    )
    try:
        run = await asyncio.shield(creating)
        ended = await ends.of(run.id)
    except Exception:
        raise
    except BaseException:  # cancelled, terminated, interrupted
        try:
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
                await _cancel((await creating).id)
        except Exception as error:  # raised in place of the interrupt, it would make Prefect send the child again
            log.warning("%s: its run was not cancelled (%s)", name, error)
        raise
    state = ended.state
    if state is None or not state.is_completed():
        shown = f"{state.name}: {state.message or ''}".strip(": ") if state else "deleted"
        raise _failure(state)(f"{name}: its run {run.id} ended as {shown}")
    return None if again else ended.total_run_time.total_seconds()


def _failure(state: State[Any] | None) -> type[ChildFailed]:
    """Return the error of a run that ended in a state other than Completed; None: it was deleted."""
    if state is None:
        return ChildFailed
    if state.is_cancelled():
        return ChildCancelled
    found = _ERROR.search(state.message or "") if state.is_failed() else None
    return ChildRefused if found and found[1] in _LASTING else ChildFailed


async def _cancel(run: UUID) -> None:
    """Ask for a flow run's end; its worker kills the process."""
    async with get_client() as client:
        await client.set_flow_run_state(run, Cancelling(message="Its parent was interrupted."))
