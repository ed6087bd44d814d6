"""The fault that stopped runs for a minute, provoked, and the embedded API's database, which does not have it."""

import asyncio
import gc
import time
import weakref

import pytest
import sqlalchemy as sa
from prefect.server.database import provide_database_interface
from prefect.server.database.configurations import ENGINES, AioSqliteConfiguration
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

from flows.workers.api_database import (
    PatientSqlite,
    collect_when_idle,
    connections_in_use,
    database_digest,
    open_transactions,
    patient_database,
)

BUSY_SECONDS = 0.6
SHORT = {"patience": 0.1, "pause": 0.01}


class ShortWaits(PatientSqlite):
    """The embedded API's database with a shorter wait for a lock."""

    busy_milliseconds = int(BUSY_SECONDS * 1000)


@pytest.fixture
def engine_of(tmp_path):
    """A function that makes the engine of a configuration, and its database; only the tests collect garbage."""

    async def make(configuration):
        engine = await configuration.engine()
        async with engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x INTEGER NOT NULL)")
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        return engine

    gc.collect()
    gc.disable()
    yield make, f"sqlite+aiosqlite:///{tmp_path}/test.db"
    gc.enable()


async def leave_garbage(connection):
    """Leave an open cursor in a cycle, as a failed statement does; return a weak reference to it."""
    cursor = await (await connection.get_raw_connection()).driver_connection.cursor()
    with pytest.raises(Exception, match="NOT NULL"):
        await cursor.execute("INSERT INTO t VALUES (NULL)")
    cursor.cycle = cursor
    return weakref.ref(cursor)


async def collect_while_another_writes(engine, collect):
    """Collect inside a transaction while a second connection waits for its lock; return the seconds until both end."""
    start = time.monotonic()
    async with engine.connect() as holder, engine.connect() as waiter:
        garbage = await leave_garbage(waiter)
        await holder.exec_driver_sql("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(waiter.exec_driver_sql("INSERT INTO t VALUES (2)"))
        await asyncio.sleep(0.1)
        await collect()
        was_freed = garbage() is None
        await holder.exec_driver_sql("COMMIT")
        await waiting
    return time.monotonic() - start, was_freed, garbage


def test_a_collection_while_another_connection_waits_stops_everything_until_the_timeout(engine_of):
    """The collector waits for a connection, which waits for the lock of the transaction that the collector is in."""
    make, url = engine_of

    async def scenario():
        async def collect():
            gc.collect()

        start = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            await collect_while_another_writes(await make(ShortWaits(connection_url=url)), collect)
        return time.monotonic() - start

    assert asyncio.run(scenario()) > BUSY_SECONDS  # 60 seconds with Prefect's own busy_timeout


def test_collect_when_idle_keeps_garbage_until_no_connection_is_in_use(engine_of):
    """It stops no waiting connection, and frees the garbage once all connections are idle."""
    make, url = engine_of

    async def scenario():
        engine = await make(ShortWaits(connection_url=url))
        collecting = asyncio.create_task(collect_when_idle(0.01))
        seconds, was_freed, garbage = await collect_while_another_writes(engine, lambda: asyncio.sleep(0.2))
        assert connections_in_use() == 0
        await asyncio.sleep(0.1)
        collecting.cancel()
        return seconds, was_freed, garbage()

    seconds, was_freed, garbage = asyncio.run(scenario())
    assert seconds < BUSY_SECONDS
    assert not was_freed
    assert garbage is None


@pytest.fixture
def leave_cycle():
    """A function that leaves a garbage cycle and returns a weak reference to it."""

    class Garbage:
        pass

    def leave():
        garbage = Garbage()
        garbage.cycle = garbage
        return weakref.ref(garbage)

    return leave


def test_an_api_that_is_never_idle_frees_garbage_while_no_transaction_is_open(engine_of, leave_cycle):
    """Reads without an end delay it for a bounded time only; a transaction delays it until its end."""
    make, url = engine_of

    async def scenario():
        configuration = ShortWaits(connection_url=url)
        engine = await make(configuration)
        garbage, freed = leave_cycle(), []
        async with engine.connect() as reader, await configuration.session(engine) as session:
            await reader.exec_driver_sql("SELECT * FROM t")
            collecting = asyncio.create_task(collect_when_idle(0.01, **SHORT))
            async with configuration.begin_transaction(session):
                await session.execute(sa.text("INSERT INTO t VALUES (4)"))
                await asyncio.sleep(0.3)
                freed.append(garbage() is None)
            await asyncio.sleep(0.3)
            freed.append(garbage() is None)
            assert connections_in_use() > 0
        collecting.cancel()
        return freed

    assert asyncio.run(scenario()) == [False, True]
    assert open_transactions() == 0


def test_an_api_that_can_free_no_garbage_warns_once(engine_of, caplog):
    """The warning has the memory of the process."""
    make, url = engine_of

    async def scenario():
        configuration = ShortWaits(connection_url=url)
        engine = await make(configuration)
        async with await configuration.session(engine) as session, configuration.begin_transaction(session):
            await session.execute(sa.text("SELECT count(*) FROM t"))
            collecting = asyncio.create_task(collect_when_idle(0.01, **SHORT))
            await asyncio.sleep(0.5)
            collecting.cancel()

    asyncio.run(scenario())
    [message] = [record.getMessage() for record in caplog.records if record.name == "dawin.api"]
    assert message.startswith("Prefect's API has been busy for 0 s and cannot free memory; it takes ")
    assert 20 < int(message.split()[-2]) < 1 << 20


async def two_transactions(engine, configuration):
    """Run two transactions that read and then write, and return the number of rows."""

    async def write(after):
        async with await configuration.session(engine) as session, configuration.begin_transaction(session):
            (await session.execute(sa.text("SELECT count(*) FROM t"))).scalar()
            await asyncio.sleep(after)
            await session.execute(sa.text("INSERT INTO t VALUES (3)"))

    await asyncio.gather(write(0.2), write(0.05))
    async with engine.connect() as connection:
        return (await connection.exec_driver_sql("SELECT count(*) FROM t")).scalar()


def test_transactions_that_read_before_they_write_wait_for_each_other(engine_of):
    """Prefect's own transactions fail at once with "database is locked", after which its client waits for seconds."""
    make, url = engine_of

    async def scenario(kind):
        configuration = kind(connection_url=url)
        return await two_transactions(await make(configuration), configuration)

    assert asyncio.run(scenario(ShortWaits)) == 3
    with pytest.raises(sa.exc.OperationalError, match="database is locked"):
        asyncio.run(scenario(AioSqliteConfiguration))


def test_the_api_waits_two_seconds_for_a_lock_and_not_sixty(tmp_path):
    """Every connection that Prefect opens in the embedded API has the short busy_timeout."""

    async def timeout():
        engine = await provide_database_interface().engine()
        async with engine.connect() as connection:
            return (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar()

    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}), patient_database():
        assert asyncio.run(timeout()) == 2000


def test_a_database_on_postgresql_keeps_prefects_configuration():
    """Only SQLite has the fault, and only its configuration is replaced."""
    before = provide_database_interface().database_config
    url = "postgresql+asyncpg://localhost/prefect"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}), patient_database():
        assert provide_database_interface().database_config is before
    assert not any("postgresql" in key[1] for key in ENGINES)


def test_the_digest_of_a_database_depends_on_its_address_without_credentials(tmp_path, monkeypatch):
    """Another password is the same database, and another path or host is another one."""

    def digest(url):
        with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
            return database_digest()

    monkeypatch.chdir(tmp_path)
    assert digest("sqlite+aiosqlite:///a.db") == digest(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    assert digest("sqlite+aiosqlite:///a.db") != digest("sqlite+aiosqlite:///b.db")
    assert digest("postgresql+asyncpg://me:one@host/p") == digest("postgresql+asyncpg://me:two@host/p")
    assert digest("postgresql+asyncpg://me:one@host/p") != digest("postgresql+asyncpg://me:one@other/p")
