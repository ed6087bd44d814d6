"""Embedded APIs as processes: several on one PREFECT_HOME, killed ones, and some without room."""

import socket
import subprocess
import sys
import time

import pytest
import tiny
from embedded import Api, disown, environment, states

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]

RUNNING = ("RUNNING", None, "RUNNING")
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from flows.cli import main
sys.exit(main(sys.argv[2:]))
"""


def free_ports(count):
    """Return ports that no process uses now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def is_crashed(state):
    """Return whether a flow run and its task run were closed because their process had ended."""
    flow_run, message, task_run = state
    return flow_run == task_run == "CRASHED" and "process of this run ended without reporting it" in message


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A PREFECT_HOME on which two APIs started together, one was killed and a third one started."""
    home = tmp_path_factory.mktemp("prefect")
    ports = free_ports(3)
    with Api(home, ports[0]) as killed, Api(home, ports[1]) as living:
        for api in (killed, living):
            api.wait()
        killed.run_with_a_task("of the killed")
        killed.run_with_a_task("of a server")
        living.run_with_a_task("of the living")
        disown(home, "of a server")
        killed.process.kill()
        with Api(home, ports[2]) as next_one:
            next_one.wait()
            deadline = time.monotonic() + 20
            while not is_crashed(states(home)["of the killed"]) and time.monotonic() < deadline:
                time.sleep(0.05)
            while_two_live = states(home)
        living.post("flow_runs/filter", flow_runs={})  # the living API still answers
    return home, while_two_live, (killed, living, next_one)


def test_an_api_closes_the_runs_of_a_killed_one_and_no_others(home):
    """Runs of a living process, and runs that a server of the user created, stay Running."""
    _, while_two_live, _ = home
    assert is_crashed(while_two_live["of the killed"])
    assert while_two_live["of the living"] == RUNNING
    assert while_two_live["of a server"] == RUNNING


def test_an_api_closes_the_open_runs_of_its_own_command_at_the_end(home):
    """The runs of an ended command are Crashed at once, and its file is deleted."""
    folder, _, _ = home
    assert is_crashed(states(folder)["of the living"])
    assert states(folder)["of a server"] == RUNNING
    assert [file.name for file in (folder / "dawin-runs").iterdir()] == ["start.lock"]


def test_apis_that_start_together_on_a_new_home_both_serve_and_print_nothing(home):
    """One creates the database while the other waits."""
    _, _, apis = home
    assert [api.shown for api in apis] == [("", "")] * 3
    assert [api.process.returncode for api in apis] == [-9, 0, 0]


def limited_run(folder, home, size):
    """Run `dawin run` with a limit on the bytes of a file; return its standard error, by lines, and its status."""
    file = folder / "tiny.yaml"
    if not file.exists():
        tiny.experiment(folder, samples=6)
        tiny.describe(folder)
    command = [sys.executable, "-c", LIMITED, str(size), "run", "-q", str(file), "--store", str(folder / "store")]
    ended = subprocess.run(
        command,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.stderr.splitlines(), ended.returncode


def test_a_database_that_cannot_be_created_is_one_line_and_status_2(tmp_path):
    """The line names the folder, the reason and the remedy; nothing was computed."""
    lines, status = limited_run(tmp_path / "example", tmp_path / "prefect", 1 << 20)
    assert status == 2
    assert len(lines) == 1, lines
    assert f"PREFECT_HOME={tmp_path}/prefect cannot be written: disk I/O error; free some room" in lines[0]


def test_a_database_that_cannot_grow_is_one_line_and_status_1(home, tmp_path):
    """The run fails, and the objects that it has committed stay."""
    folder = home[0]
    limit = (folder / "prefect.db").stat().st_size + (
        200 << 10
    )  # enough for the start, too little for the writes of the run
    lines, status = limited_run(tmp_path / "example", folder, limit)
    assert status == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith(
        f"dawin: the run failed: Prefect's database under PREFECT_HOME={folder} cannot be written"
    )
    assert list((tmp_path / "example" / "store").glob("outputs/**/*.parquet"))
