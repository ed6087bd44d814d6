"""The embedded API's process: under which conditions it serves."""

import asyncio
import gc

import pytest
from fastapi import FastAPI
from prefect.server.database import provide_database_interface
from prefect.settings import PREFECT_HOME, temporary_settings

from flows.workers import api_server
from flows.workers.api_database import PatientSqlite, database_digest
from flows.workers.run_owner import ended_owners


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve without a network; return what held while it did."""
    seen = {}

    async def collect():
        seen["collects"] = True
        await asyncio.sleep(60)

    async def serve(server):
        server.started = True
        await asyncio.sleep(0.3)
        seen["automatic collection"] = gc.isenabled()
        seen["database"] = type(provide_database_interface().database_config)
        with ended_owners(tmp_path / "dawin-runs", database_digest()) as ended:
            seen["ended"] = ended
        seen["files"] = len(list((tmp_path / "dawin-runs").glob("*.json")))

    async def close(folder, owner):
        seen["closes"] = (folder, owner.id)

    monkeypatch.setattr(api_server, "create_app", lambda **_: FastAPI())
    monkeypatch.setattr(api_server, "keep_messages_short", lambda: None)
    monkeypatch.setattr(api_server, "_end_with_parent", lambda _: None)
    monkeypatch.setattr(api_server, "collect_when_idle", collect)
    monkeypatch.setattr(api_server, "close_own_runs", close)
    monkeypatch.setattr(api_server.uvicorn.Server, "serve", serve)
    with temporary_settings({PREFECT_HOME: tmp_path}):
        asyncio.run(api_server.serve(0))
    yield seen
    gc.unfreeze()
    gc.enable()


def test_the_api_serves_without_python_collecting_garbage_at_its_own_time(served):
    """Its own collections run instead."""
    assert served["automatic collection"] is False
    assert served["collects"]


def test_the_api_serves_on_the_patient_database(served):
    """Whose transactions wait for the lock, and not for long."""
    assert served["database"] is PatientSqlite


def test_the_api_counts_as_alive_while_it_serves_and_closes_its_runs_at_the_end(served, tmp_path):
    """By one file, which stays locked."""
    assert (served["files"], served["ended"]) == (1, [])
    folder, owner = served["closes"]
    assert (folder / f"{owner}.json").exists()
    assert folder == tmp_path / "dawin-runs"
