"""Children of a warm pool: each way in which one of its processes can end ends the run as with a process worker."""

import json
import os
import signal
import uuid
from pathlib import Path

import pytest
from pools import ask, wait_for

pytestmark = [pytest.mark.workers, pytest.mark.xdist_group("workers")]
SUPPORT = Path(__file__).parents[1] / "support"


class Naps:
    """Runs of the flow `nap` on a warm pool of its own, whose worker can be started again."""

    def __init__(self, pool, folder):
        self.pool, self.folder = pool, folder
        pool.create_pools("warm", kind="warm-process")
        self.start_worker()
        flow = ask(pool, "POST", "/flows/", {"name": "nap"})["id"]
        content = {"name": "warm", "flow_id": flow, "entrypoint": "napping.nap", "work_pool_name": "warm"}
        self.deployment = ask(pool, "POST", "/deployments/", {**content, "pull_steps": []})["id"]

    def start_worker(self):
        path = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
        self.pool.start_worker("warm0", "warm", limit=4, PYTHONPATH=path)

    def start(self, seconds=60.0, **job_variables):
        """Start a run and wait for it; return its id and what its process has written."""
        file = self.folder / uuid.uuid4().hex
        content = {"parameters": {"file": str(file), "seconds": seconds}, "state": {"type": "SCHEDULED"}}
        body = {**content, "job_variables": job_variables}
        run = ask(self.pool, "POST", f"/deployments/{self.deployment}/create_flow_run", body)["id"]
        wait_for("a nap", lambda: file.exists() or self.state(run)["type"] in ("FAILED", "CRASHED"))
        assert file.exists(), self.state(run)
        wait_for("its start", lambda: self.state(run)["type"] != "PENDING")
        return run, json.loads(file.read_text())

    def state(self, run):
        return ask(self.pool, "GET", f"/flow_runs/{run}")["state"]

    def end(self, run):
        """Wait for the final state of a run and return it."""

        def final():
            state = self.state(run)
            return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return wait_for("the end", final)


@pytest.fixture(scope="module")
def naps(pool, tmp_path_factory):
    return Naps(pool, tmp_path_factory.mktemp("naps"))


def command(process):
    return Path(f"/proc/{process}/cmdline").read_bytes()


def ended(*processes):
    def stat(process):
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "Z"

    return all(stat(process) == "Z" for process in processes)


def test_runs_share_a_server_and_complete(naps):
    """Two children at a time have one parent, the fork server, and each the directory and the variables of its run."""
    first, one = naps.start(2.0)
    second, two = naps.start(2.0)
    assert one["parent"] == two["parent"]
    assert b"fork_server" in command(one["parent"])
    assert one["directory"] != two["directory"]
    assert [naps.end(run)["type"] for run in (first, second)] == ["COMPLETED", "COMPLETED"]
    wait_for(
        "the processes' end", lambda: ended(*(facts[name] for facts in (one, two) for name in ("child", "helper")))
    )


def test_a_killed_child_has_crashed(naps):
    """The state has the exit status and the hint of a process worker's, and the child's helper is gone."""
    run, facts = naps.start()
    os.kill(facts["child"], signal.SIGKILL)
    state = naps.end(run)
    assert state["type"] == "CRASHED"
    assert "status code: -9" in state["message"]
    assert "SIGKILL" in state["message"]
    wait_for("the helper's end", lambda: ended(facts["helper"]))


def test_a_cancelled_run_leaves_no_process(naps):
    """Its process and its helper end, and the run is Cancelled."""
    run, facts = naps.start()
    ask(naps.pool, "POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    assert naps.end(run)["type"] == "CANCELLED"
    wait_for("the processes' end", lambda: ended(facts["child"], facts["helper"]))


def test_a_dead_server_crashes_its_runs_and_is_replaced(naps):
    """All of its children end, and the next run has a new server."""
    run, facts = naps.start()
    other, _ = naps.start()
    os.kill(facts["parent"], signal.SIGKILL)
    assert [naps.end(one)["type"] for one in (run, other)] == ["CRASHED", "CRASHED"]
    wait_for("the processes' end", lambda: ended(facts["child"], facts["helper"]))
    again, new = naps.start(0.1)
    assert b"fork_server" in command(new["parent"])
    assert new["parent"] != facts["parent"]
    assert naps.end(again)["type"] == "COMPLETED"


def test_another_environment_gets_another_server(naps):
    """Libraries read such variables when they are imported; a warm process with the other value exists for each."""
    run, facts = naps.start(0.1)
    other, another = naps.start(0.1, env={"OMP_NUM_THREADS": "3", "NAP": "x"})
    assert (another["threads"], another["variable"]) == ("3", "x")
    assert b"fork_server" in command(another["parent"])
    assert another["parent"] != facts["parent"]
    assert [naps.end(one)["type"] for one in (run, other)] == ["COMPLETED", "COMPLETED"]


def test_a_command_starts_a_process_of_its_own(naps):
    """A run whose job variables have a command is started as a process worker starts it."""
    run, facts = naps.start(3.0, command="python -m flows.workers.engine", working_dir=str(naps.folder))
    assert b"flows.workers.engine" in command(facts["child"])
    assert facts["directory"] == str(naps.folder)
    assert naps.end(run)["type"] == "COMPLETED"


def test_a_terminated_worker_waits_for_its_children(naps):
    """The child completes; then the worker and the server end."""
    run, facts = naps.start(5.0)
    worker = naps.pool.processes["warm0"]
    worker.terminate()
    assert naps.end(run)["type"] == "COMPLETED"
    worker.wait(60)
    wait_for("the server's end", lambda: ended(facts["parent"]))
    naps.start_worker()


def test_the_children_of_a_killed_worker_run_on(naps):
    """They complete, as those of a process worker do, and then the server ends."""
    run, facts = naps.start(5.0)
    worker = naps.pool.processes["warm0"]
    worker.kill()
    worker.wait()
    assert naps.end(run)["type"] == "COMPLETED"
    wait_for("the server's end", lambda: ended(facts["parent"], facts["child"]))
