"""The conditions under which the embedded API's process serves."""

import asyncio
import gc
import os

import pytest
from fastapi import FastAPI
from prefect.server.database import provide_database_interface
from prefect.settings import PREFECT_HOME, temporary_settings

from flows.workers import api_server
from flows.workers.api_database import PatientSqlite, database_digest
from flows.workers.run_owner import ended_owners


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The conditions that held while the API served, without a network."""
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
    monkeypatch.setattr(api_server, "collect_when_idle", collect)
    monkeypatch.setattr(api_server, "close_own_runs", close)
    monkeypatch.setattr(api_server.uvicorn.Server, "serve", serve)
    reading, writing = os.pipe()  # stays open while the API serves, as the command's end does
    with temporary_settings({PREFECT_HOME: tmp_path}):
        asyncio.run(api_server.serve(0, reading))
    os.close(writing)
    yield seen
    gc.unfreeze()
    gc.enable()


def test_the_api_serves_without_automatic_garbage_collection(served):
    """Python's automatic collection is off, and `collect_when_idle` runs instead."""
    assert served["automatic collection"] is False
    assert served["collects"]


def test_the_api_serves_on_the_patient_database(served):
    """Its transactions wait for the lock, for a short time."""
    assert served["database"] is PatientSqlite


def test_the_api_counts_as_alive_while_it_serves_and_closes_its_runs_at_the_end(served, tmp_path):
    """One locked file represents it, and it closes the runs of the owner in that file."""
    assert (served["files"], served["ended"]) == (1, [])
    folder, owner = served["closes"]
    assert (folder / f"{owner}.json").exists()
    assert folder == tmp_path / "dawin-runs"
