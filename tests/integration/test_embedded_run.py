"""A run with the embedded API while another process holds the database's lock."""

import sqlite3
import subprocess
import sys
import time

import pytest
import tiny
from embedded import environment

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]

HELD_SECONDS = 5.0  # longer than a statement waits in two attempts


def hold_lock(home):
    """Hold the write lock of the database for some seconds."""
    database = sqlite3.connect(home / "prefect.db", timeout=30, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    time.sleep(HELD_SECONDS)
    database.execute("COMMIT")
    database.close()


def test_a_run_waits_for_a_locked_database_and_loses_no_state(tmp_path):
    """Requests and the recorder of task runs try again without a message, and every state reaches the database."""
    file, home = tiny.experiment(tmp_path / "example", samples=6), tmp_path / "prefect"
    tiny.describe(tmp_path / "example")
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "-v", file, "--store", str(tmp_path / "store")],
        env={**environment(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in run.stdout:  # until the API ends, which shares this output
        lines.append(line)
        if "fit oracle coefficients of one" in line:
            hold_lock(home)
    assert run.wait() == 0
    assert not [line for line in lines if "| ERROR" in line or "| WARNING" in line or "Traceback" in line]
    database = sqlite3.connect(home / "prefect.db")
    counts = [
        database.execute(f"SELECT count(*), sum(state_type = 'COMPLETED') FROM {table}").fetchone()
        for table in ("flow_run", "task_run")
    ]
    database.close()
    assert all(count == completed > 5 for count, completed in counts), counts
