"""Set to Crashed the flow runs whose process was killed, or whose machine went down."""

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
    """Store the owner with every flow run that an API creates, in the same INSERT.

    Args:
        app: Prefect's API.
        owner: the process whose flow runs these are.
    """
    creator = CreatedBy(
        id=owner.id, type=_KIND, display_value=f"process {owner.process} on {owner.machine.partition(' ')[0]}"
    )
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            route.app.dependency_overrides[get_created_by] = lambda: creator


async def close_runs_of_ended_owners(folder: Path, database: str) -> None:
    """Set the open flow runs of all ended processes of this machine to Crashed, and delete the processes' files.

    Args:
        folder: holds the files of owners.
        database: digest of the database to look in.
    """
    with ended_owners(folder, database) as owners:
        await _close_and_forget(folder, {owner.id for owner in owners})


async def close_own_runs(folder: Path, owner: Owner) -> None:
    """Set the runs that this API's own command left open to Crashed, once the command has ended.

    Args:
        folder: holds the files of owners.
        owner: the owner of these runs.
    """
    await _close_and_forget(folder, {owner.id})


async def _close_and_forget(folder: Path, owners: Collection[UUID]) -> None:
    if not owners:
        return
    try:
        for run in await _open_runs(owners):
            await _close(run)
    except Exception:  # any fault: the command continues, and the next one finds the owners' files
        log.warning("the UI shows killed runs as running until the next command ends them", exc_info=True)
        return
    for owner in owners:
        forget(folder, owner)


async def _open_runs(owners: Collection[UUID]) -> list[UUID]:
    """Return the flow runs of owners without a final state, except those of deployments, which belong to workers."""
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
