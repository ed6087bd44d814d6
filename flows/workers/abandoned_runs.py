"""Ends in the database the flow runs whose process is gone: killed, or the machine went down."""

import logging
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from fastapi import FastAPI
from prefect.server import models
from prefect.server.api.dependencies import get_created_by
from prefect.server.database import provide_database_interface
from prefect.server.schemas.core import CreatedBy
from prefect.server.schemas.states import TERMINAL_STATES, Crashed
from starlette.routing import Mount

from flows.workers.run_owner import Owner, ended_owners, forget

log = logging.getLogger("dawin.api")

_MESSAGE = "The process of this run ended without reporting it: it was killed, or the machine went down."
_KIND = "DAWIN"


def sign_runs(app: FastAPI, owner: Owner) -> None:
    """Have every flow run that this API creates bear its owner, in the same INSERT."""
    creator = CreatedBy(
        id=owner.id, type=_KIND, display_value=f"process {owner.process} on {owner.machine.partition(' ')[0]}"
    )
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            route.app.dependency_overrides[get_created_by] = lambda: creator


async def close_runs_of_ended_owners(folder: Path, database: str) -> None:
    """End the database's open flow runs of all processes that have ended on this machine, and forget the processes."""
    with ended_owners(folder, database) as owners:
        await _close_and_forget(folder, {owner.id for owner in owners})


async def close_own_runs(folder: Path, owner: Owner) -> None:
    """End what this API's command left open; the command is gone, and everything it reported is written."""
    await _close_and_forget(folder, {owner.id})


async def _close_and_forget(folder: Path, owners: Collection[UUID]) -> None:
    if not owners:
        return
    try:
        for run in await _open_runs(owners):
            await _close(run)
    except Exception:  # whatever it is, the run that uses this API goes on, and the owners' files stay for the next one
        log.warning("killed runs are still shown as running, until the next run ends them", exc_info=True)
        return
    for owner in owners:
        forget(folder, owner)


async def _open_runs(owners: Collection[UUID]) -> list[UUID]:
    """Return the flow runs of some owners that are not final; runs of deployments belong to their workers."""
    db = provide_database_interface()
    is_open = db.FlowRun.state_type.not_in(TERMINAL_STATES)
    query = sa.select(db.FlowRun.id, db.FlowRun.created_by).where(is_open, db.FlowRun.deployment_id.is_(None))
    async with db.session_context() as session:
        found = (await session.execute(query)).all()
    return [run for run, creator in found if creator and creator.type == _KIND and creator.id in owners]


async def _close(run: UUID) -> None:
    """Set a flow run and its open task runs to Crashed."""
    db = provide_database_interface()
    async with db.session_context(begin_transaction=True) as session:
        query = sa.select(db.TaskRun.id).where(
            db.TaskRun.flow_run_id == run, db.TaskRun.state_type.not_in(TERMINAL_STATES)
        )
        for task_run in (await session.execute(query)).scalars().all():
            await models.task_runs.set_task_run_state(session, task_run, Crashed(message=_MESSAGE), force=True)
        await models.flow_runs.set_flow_run_state(session, run, Crashed(message=_MESSAGE), force=True)
