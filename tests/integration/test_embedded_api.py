"""Embedded APIs as processes: several on one PREFECT_HOME, killed ones, and one without room."""

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
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def is_crashed(state):
    flow_run, message, task_run = state
    return flow_run == task_run == "CRASHED" and "process of this run ended without reporting it" in message


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A PREFECT_HOME on which two APIs started at once, one was killed and a third one started."""
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
        living.post("flow_runs/filter", flow_runs={})  # it still answers
    return home, while_two_live, (killed, living, next_one)


def test_the_next_api_ends_the_runs_of_a_killed_one_and_no_other(home):
    """Neither those of a process that lives, nor those that a server of the user's own created."""
    _, while_two_live, _ = home
    assert is_crashed(while_two_live["of the killed"])
    assert while_two_live["of the living"] == RUNNING
    assert while_two_live["of a server"] == RUNNING


def test_an_api_whose_command_is_gone_ends_what_that_left_open(home):
    """A killed command's runs are ended at once; the next run has nothing to do."""
    folder, _, _ = home
    assert is_crashed(states(folder)["of the living"])
    assert states(folder)["of a server"] == RUNNING
    assert [file.name for file in (folder / "dawin-runs").iterdir()] == ["start.lock"]


def test_apis_that_start_together_on_a_new_home_both_start_and_print_nothing(home):
    """One makes the database, the other waits for it."""
    _, _, apis = home
    assert [api.shown for api in apis] == [("", "")] * 3
    assert [api.process.returncode for api in apis] == [-9, 0, 0]


def limited_run(folder, home, size):
    """`dawin run` where no file may become larger than some bytes: what it printed, and its exit status."""
    file = folder / "tiny.yaml"
    if not file.exists():
        tiny.experiment(folder, samples=6)
        tiny.describe(folder)
    command = [sys.executable, "-c", LIMITED, str(size), "run", str(file), "--store", str(folder / "store")]
    ended = subprocess.run(
        command,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return [line for line in ended.stderr.splitlines() if " | INFO " not in line], ended.returncode


def test_a_database_that_cannot_be_made_is_one_line(tmp_path):
    """Nothing was computed, so it is a wrong request; the line names the folder, the reason and the remedy."""
    lines, status = limited_run(tmp_path / "example", tmp_path / "prefect", 1 << 20)
    assert status == 2
    assert len(lines) == 1, lines
    assert f"PREFECT_HOME={tmp_path}/prefect cannot be written: disk I/O error; free some room" in lines[0]


def test_a_database_that_can_grow_no_further_is_one_line(home, tmp_path):
    """The run fails, and what it computed stays."""
    folder = home[0]
    limit = (folder / "prefect.db").stat().st_size + (200 << 10)  # the start fits, the log of the run's writes does not
    lines, status = limited_run(tmp_path / "example", folder, limit)
    assert status == 1
    assert len(lines) == 1, lines
    assert lines[0].startswith(
        f"dawin: the run failed: Prefect's database under PREFECT_HOME={folder} cannot be written"
    )
    assert list((tmp_path / "example" / "store").glob("outputs/**/*.parquet"))
