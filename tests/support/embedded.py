"""Embedded APIs as processes, and the content of their database."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request

CLOSED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def environment(home):
    """Return the environment of a user without a Prefect server, with a PREFECT_HOME for one test."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "OMP_NUM_THREADS": "1"}
    return {**own, **quiet, "PREFECT_HOME": str(home)}


class Api:
    """An embedded API, started as `dawin` starts it; the end of a `with` block ends it as the end of a command does."""

    def __init__(self, home, port):
        self.url = f"http://127.0.0.1:{port}/api"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.workers.api_process", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(home),
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shown = self.process.communicate(timeout=60)
        return False

    def wait(self):
        """Wait until the API answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.process.communicate(timeout=5))

    def post(self, path, **content):
        """Send a request with JSON and return the answer."""
        request = urllib.request.Request(f"{self.url}/{path}", json.dumps(content).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def run_with_a_task(self, name):
        """Create a flow run with a task run, both in state Running."""
        running = {"type": "RUNNING"}
        flow = self.post("flows/", name=name)["id"]
        run = self.post("flow_runs/", name=name, flow_id=flow, state=running)["id"]
        self.post("task_runs/", name=name, flow_run_id=run, task_key=name, dynamic_key="0", state=running)
        return run


def states(home):
    """Return the state of each flow run by name: its type, its message and the type of its task run."""
    database = sqlite3.connect(home / "prefect.db")
    try:
        rows = database.execute(
            "SELECT flow_run.name, flow_run.state_type, flow_run_state.message, task_run.state_type FROM flow_run "
            "JOIN flow_run_state ON flow_run_state.id = flow_run.state_id "
            "LEFT JOIN task_run ON task_run.flow_run_id = flow_run.id"
        ).fetchall()
    finally:
        database.close()
    return {name: tuple(state) for name, *state in rows}


def disown(home, name):
    """Remove the creator of a flow run, as if a server of the user had created it."""
    database = sqlite3.connect(home / "prefect.db", timeout=30)
    with database:
        database.execute("UPDATE flow_run SET created_by = NULL WHERE name = ?", (name,))
    database.close()
