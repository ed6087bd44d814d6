"""Prefect's API in a process of its own, which `api_process.py` starts.

It serves one command, which holds the other end of its standard input, and ends when that closes. Python's automatic
garbage collection is off in this process: `api_database.py` gives the reason and collects garbage itself.
"""

import asyncio
import gc
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

from flows.workers.abandoned_runs import close_own_runs, close_runs_of_ended_owners, sign_runs
from flows.workers.api_database import collect_when_idle, database_digest, patient_database
from flows.workers.api_messages import keep_messages_short
from flows.workers.empty_database import copy_empty_database
from flows.workers.run_owner import one_at_a_time, owner_file


class _Server(uvicorn.Server):
    """A server that starts only while no other starts on the same folder, so that one of them creates the database."""

    def __init__(self, config: uvicorn.Config, folder: Path) -> None:
        super().__init__(config)
        self._folder = folder

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with one_at_a_time(self._folder):
            copy_empty_database(PREFECT_API_DATABASE_CONNECTION_URL.value())
            await super().startup(sockets)


async def serve(port: int, command: int = 0, *, ui: bool = False) -> None:
    """Serve until the command has ended, then set the runs that it left open to Crashed.

    Args:
        port: on 127.0.0.1.
        command: file descriptor that closes when the command ends; by default standard input.
        ui: whether it serves Prefect's pages too; they ask the API at `PREFECT_UI_API_URL`.
    """
    gc.disable()
    owners, database = PREFECT_HOME.value() / "dawin-runs", database_digest()
    app = create_app(ephemeral=not ui, final=True)
    keep_messages_short()
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", log_config=None), owners)
    threading.Thread(target=_end_with_command, args=(server, command), daemon=True).start()
    with patient_database(), owner_file(owners, database) as owner:
        if owner:
            sign_runs(app, owner)
        tidying = asyncio.create_task(_tidy(server, owners, database))
        await server.serve()
        tidying.cancel()
        with suppress(asyncio.CancelledError):
            await tidying
        if owner:
            await close_own_runs(owners, owner)


async def _tidy(server: _Server, owners: Path, database: str) -> None:
    """Once the API answers, set runs that were killed before to Crashed; then collect garbage for ever."""
    while not server.started:
        await asyncio.sleep(0.1)
    gc.freeze()  # loaded modules stay: no collection visits their objects again
    await close_runs_of_ended_owners(owners, database)
    await collect_when_idle()


def _end_with_command(server: _Server, command: int) -> None:
    """Stop the server when the descriptor closes: then the command has ended, for whatever reason."""
    while os.read(command, 1):  # unbuffered: a buffer's lock would block this process if it ends first
        pass
    server.should_exit = True
