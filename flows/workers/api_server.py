"""Prefect's API in a process of its own: `python -m flows.workers.api_server PORT`, which ends with its standard input.

One command uses it, the one that started it and holds the other end of its standard input. Python's automatic garbage
collection is off in this process: `api_database.py` says why, and collects instead.
"""

import asyncio
import gc
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_HOME

from flows.workers.abandoned_runs import close_own_runs, close_runs_of_ended_owners, sign_runs
from flows.workers.api_database import collect_when_idle, database_digest, patient_database
from flows.workers.api_messages import keep_messages_short
from flows.workers.run_owner import one_at_a_time, owner_file


class _Server(uvicorn.Server):
    """A server that starts while no other one starts on the same folder: the first one makes the database."""

    def __init__(self, config: uvicorn.Config, folder: Path) -> None:
        super().__init__(config)
        self._folder = folder

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with one_at_a_time(self._folder):
            await super().startup(sockets)


async def serve(port: int) -> None:
    """Serve until the command is gone, then end in the database what it left open."""
    gc.disable()
    owners, database = PREFECT_HOME.value() / "dawin-runs", database_digest()
    app = create_app(ephemeral=True, final=True)
    keep_messages_short()
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", log_config=None), owners)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
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
    """Once the API answers, end runs that were killed before; then collect garbage."""
    while not server.started:
        await asyncio.sleep(0.1)
    gc.freeze()  # what is loaded stays: no collection looks at it again
    await close_runs_of_ended_owners(owners, database)
    await collect_when_idle()


def _end_with_parent(server: _Server) -> None:
    """Wait for the end of standard input: whoever started this is gone, however it ended."""
    while os.read(sys.stdin.fileno(), 1):  # no buffer, whose lock would be in the way when this process ends first
        pass
    server.should_exit = True


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
