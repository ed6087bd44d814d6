"""The embedded API's SQLite, so that no transaction of the API waits for another one that cannot end.

Without this module 7 of 40 small runs stood still for 60 seconds (Prefect 3.8.8, SQLAlchemy 2.0, aiosqlite 0.22), and
half of the others for two. The stack of such a process, and the garbage that one leaves behind, show these steps:

1. Prefect begins its transactions DEFERRED. One that reads first and then writes (`UPDATE concurrency_limit_v2`) fails
   at once with "database is locked" when another connection wrote in between: SQLite cannot update an old snapshot, and
   no timeout helps. The API answers 503, and the client sends the request again two seconds later.
2. The exception's traceback forms a cycle with its frames. They hold the failed statement's `sqlite3.Cursor`, which was
   never closed, and the cursor lives until Python's cyclic garbage collector runs.
3. The collector runs wherever Python happens to allocate: also on the API's main thread in the middle of another
   transaction, which holds SQLite's write lock. To free the cursor it calls `sqlite3_reset`, which waits for the mutex
   of the cursor's connection. That connection executes an INSERT in its own thread, and so it holds the mutex and waits
   for the write lock. The collector keeps the interpreter's lock meanwhile: nothing moves until the INSERT gives up,
   after the `busy_timeout` of 60 seconds.

Each step is taken away: transactions begin IMMEDIATE, so that they wait for the lock before they read, and do not fail;
`collect_when_idle` frees garbage only while no connection is in use, when nobody can hold the lock or wait for it (on
an API that is never idle: while no such transaction is open); and a short `busy_timeout` bounds what is left. Who
gets an error then tries again: Prefect's client, because the API answers 503, and the recorder of task runs, five times
(`embedded.py` has it write batches, so that it loses nothing).
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

_BUSY_MILLISECONDS = 2000  # how long a statement waits for other connections; transactions here take some 10 ms
_COLLECT_SECONDS = 5.0  # between two collections; a run leaves a few MiB of garbage in that time
_IDLE_SECONDS = 0.02  # between two looks for a moment without a connection in use
_BUSY_SECONDS = 60.0  # of looks without such a moment, after which one without a transaction has to do

_transactions = 0  # that hold the write lock, wait for it or are about to
log = logging.getLogger("dawin.api")


class PatientSqlite(AioSqliteConfiguration):
    """Prefect's SQLite whose transactions wait for the write lock before they read, and not for long."""

    def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Set a new connection up as Prefect does, with a short `busy_timeout` instead of 60 seconds."""
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        cursor.close()

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin with the write lock in hand (BEGIN IMMEDIATE), also where Prefect would take it only later."""
        global _transactions  # noqa: PLW0603  of all sessions; they begin on the event loop only
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
    """Return a digest of which database the API has: its address, without who asks and by which password."""
    url = make_url(PREFECT_API_DATABASE_CONNECTION_URL.value() or "")
    database = os.path.abspath(url.database or "") if url.drivername.startswith("sqlite") else url.database
    place = json.dumps([url.drivername, url.host, url.port, database])
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def connections_in_use() -> int:
    """Count the connections of this process that execute something, or hold a transaction."""
    return sum(engine.pool.checkedout() for engine in ENGINES.values())  # type: ignore[attr-defined]  # of all its pools but those of one connection, which Prefect does not use


async def collect_when_idle(every: float = _COLLECT_SECONDS) -> None:
    """Free cyclic garbage every few seconds, at moments when no connection is in use; never returns.

    The caller has disabled Python's automatic collection. Connections are taken on the event loop only, so that none
    comes into use between the look and the end of the collection. Where one is in use at every look for a minute, a
    moment without a transaction has to do: a connection that only reads waits for no lock, and ends by itself. Without
    such a moment either, garbage stays, and a warning says so once.
    """
    is_reported = False
    while True:
        await asyncio.sleep(every)
        start = time.monotonic()
        while connections_in_use() and (_transactions or time.monotonic() - start < _BUSY_SECONDS):
            await asyncio.sleep(_IDLE_SECONDS)
            if time.monotonic() - start > 2 * _BUSY_SECONDS and not is_reported:
                _report_busy(start)
                is_reported = True
        gc.collect()


def _report_busy(start: float) -> None:
    """Log since when there has been no moment for a collection, and the memory that this process has taken."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # of KiB
    seconds = time.monotonic() - start
    log.warning("Prefect's API has been busy for %.0f s and cannot free memory; it takes %d MiB", seconds, peak)
