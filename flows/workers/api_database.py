"""The SQLite database of the embedded API, whose transactions never wait for one that cannot end.

Without this module 7 of 40 small runs stopped for 60 seconds (Prefect 3.8.8, SQLAlchemy 2.0, aiosqlite 0.22), and half
of the others for two. The stack of such a process and the garbage in it show three steps:

1. Prefect begins its transactions DEFERRED. A transaction that reads first and then writes (`UPDATE
   concurrency_limit_v2`) fails at once with "database is locked" if another connection has written in between: SQLite
   cannot update an old snapshot, and no timeout helps. The API answers 503; the client tries again after two seconds.
2. The traceback of the exception forms a cycle with its frames. They refer to the `sqlite3.Cursor` of the failed
   statement, which nobody has closed, and which lives until Python's cyclic garbage collector runs.
3. The collector runs at any allocation, also on the API's main thread in the middle of another transaction, which holds
   SQLite's write lock. To free the cursor it calls `sqlite3_reset`, which waits for the mutex of its connection. That
   connection executes an INSERT in its own thread, holds the mutex and waits for the write lock. The collector keeps
   the interpreter's lock meanwhile, so that everything waits until the INSERT gives up, after the `busy_timeout` of 60
   seconds.

This module removes each step. Transactions begin IMMEDIATE: they wait for the lock before they read, and do not fail.
`collect_when_idle` frees garbage only while no connection is in use, when none can hold the lock or wait for it (on an
API that is never idle: while no such transaction is open). A short `busy_timeout` bounds any other wait. After an
error both clients try again: Prefect's, because the API answers 503, and the recorder of task runs, five times (with
the batches of `embedded_api.py` it loses nothing).
"""

import asyncio
import gc
import hashlib
import json
import logging
import os
import resource
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from prefect.server.database.configurations import ENGINES, AioSqliteConfiguration
from prefect.server.database.dependencies import temporary_database_config
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry

_COLLECT_SECONDS = 5.0  # between two collections, in which a run leaves a few MiB of garbage
_IDLE_SECONDS = 0.02  # between two looks for a moment without a connection in use
_BUSY_SECONDS = 60.0  # without such a moment, after which a moment without a transaction is enough

_transactions = 0  # see `open_transactions`
log = logging.getLogger("dawin.api")


class PatientSqlite(AioSqliteConfiguration):
    """Prefect's SQLite, with transactions that wait for the write lock before they read, for a short time."""

    busy_milliseconds = 2000
    """A statement waits as long for other connections; transactions take about 10 ms."""

    def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Set up a new connection as Prefect does, with a short `busy_timeout` instead of 60 seconds."""
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {self.busy_milliseconds}")
        cursor.close()

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction with the write lock (BEGIN IMMEDIATE), also where Prefect would take the lock later."""
        global _transactions  # noqa: PLW0603  counts all sessions, which begin on the event loop only
        _transactions += 1
        try:
            async with super().begin_transaction(session, with_for_update=True) as transaction:
                yield transaction
        finally:
            _transactions -= 1


def patient_database() -> AbstractContextManager[object]:
    """Return a context in which the API's database is a `PatientSqlite`, unless it is PostgreSQL."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url is None or not url.startswith("sqlite"):
        return nullcontext()
    return temporary_database_config(PatientSqlite(connection_url=url))


def database_digest() -> str:
    """Return a digest of the address of the API's database, without user and password."""
    url = make_url(PREFECT_API_DATABASE_CONNECTION_URL.value() or "")
    database = os.path.abspath(url.database or "") if url.drivername.startswith("sqlite") else url.database
    place = json.dumps([url.drivername, url.host, url.port, database])
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def open_transactions() -> int:
    """Return the number of this process's transactions that hold the write lock, wait for it or are about to."""
    return _transactions


def connections_in_use() -> int:
    """Return the number of this process's connections that execute a statement or hold a transaction."""
    return sum(engine.pool.checkedout() for engine in ENGINES.values())  # type: ignore[attr-defined]  # only pools of one connection, which Prefect does not use, have no count


async def collect_when_idle(
    every: float = _COLLECT_SECONDS, *, patience: float = _BUSY_SECONDS, pause: float = _IDLE_SECONDS
) -> None:
    """Free cyclic garbage every few seconds, at moments when no connection is in use; never return.

    The caller has disabled Python's automatic collection. Connections come into use on the event loop only, and so not
    between the look and the end of the collection. If one is in use at every look of a minute, a moment without
    a transaction is enough: a connection that only reads waits for no lock, and ends by itself. Without such a moment
    garbage stays, and a warning reports it once.

    Args:
        every: seconds between two collections.
        patience: seconds of looks for a moment without a connection in use.
        pause: seconds between two looks.
    """
    is_reported = False
    while True:
        await asyncio.sleep(every)
        start = time.monotonic()
        while connections_in_use() and (_transactions or time.monotonic() - start < patience):
            await asyncio.sleep(pause)
            if time.monotonic() - start > 2 * patience and not is_reported:
                _report_busy(start)
                is_reported = True
        gc.collect()


def _report_busy(start: float) -> None:
    """Log the time without a moment for a collection, and the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # of KiB
    seconds = time.monotonic() - start
    log.warning("Prefect's API has been busy for %.0f s and cannot free memory; it takes %d MiB", seconds, peak)
