"""A run with the embedded API while another process holds the database's lock."""

import sqlite3
import subprocess
import sys
import time

import pytest
import tiny
from embedded import environment

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]

HELD_SECONDS = 5.0  # longer than two attempts of a statement


def hold_lock(home):
    database = sqlite3.connect(home / "prefect.db", timeout=30, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    time.sleep(HELD_SECONDS)
    database.execute("COMMIT")
    database.close()


def test_a_run_whose_database_is_locked_goes_on_when_it_is_free_and_loses_no_state(tmp_path):
    """It prints nothing of it: requests and the recorder of task runs try again, and every state is in the database."""
    file, home = tiny.experiment(tmp_path / "example", samples=6), tmp_path / "prefect"
    tiny.describe(tmp_path / "example")
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", file, "--store", str(tmp_path / "store")],
        env={**environment(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in run.stdout:  # to the end of the API, which has the same output
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
