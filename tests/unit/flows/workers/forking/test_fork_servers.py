"""The servers of a worker: one for each environment, replaced when it ends, none if it does not start."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from log_lines import heard

from flows.workers.forking import fork_servers
from flows.workers.forking.fork_servers import ForkServers

PROGRAM = """
import os, sys
place = sys.argv[-1]
if os.environ.get("SLOW"):
    import time; time.sleep(60)
if os.environ.get("BROKEN"):
    sys.exit("no module named torch")
open(place, "w").close()
print("ready", flush=True)
sys.stdin.read()
os.unlink(place)
"""


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """The servers of a worker whose program is a small stand-in of `flows.workers.forking.fork_server`."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{PROGRAM}' \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setattr(fork_servers.sys, "executable", str(program))
    return ForkServers()


@pytest.fixture
def tried(monkeypatch):
    """The servers that a test has tried to start."""
    found, start = [], fork_servers._Server.start

    async def noted(self):
        found.append(self)
        return await start(self)

    monkeypatch.setattr(fork_servers._Server, "start", noted)
    return found


def asked(servers, *environments):
    """Return the addresses of servers for environments, while these servers run."""

    async def ask():
        try:
            return [await servers.address({"PATH": os.environ["PATH"], **one}) for one in environments]
        finally:
            await servers.stop()

    return asyncio.run(ask())


def test_runs_of_one_environment_share_a_server(servers):
    """Variables that Prefect sets for each run make no difference; all others do."""
    first, second, third, fourth = asked(
        servers, {"A": "1"}, {"A": "1", "PREFECT__FLOW_RUN_ID": "x"}, {"A": "2"}, {"A": "1"}
    )
    assert first == second == fourth
    assert third != first


def test_the_server_that_was_not_used_longest_is_stopped(servers):
    """Each holds the libraries in memory; a third environment ends the first one's server."""

    async def ask():
        addresses = [await servers.address({"PATH": os.environ["PATH"], "A": str(number)}) for number in range(3)]
        for _ in range(200):
            if not Path(addresses[0]).exists():
                break
            await asyncio.sleep(0.05)
        there = [Path(address).exists() for address in addresses]
        await servers.stop()
        return there

    assert asyncio.run(ask()) == [False, True, True]


def test_a_server_that_has_ended_is_replaced(servers):
    """The next run gets the address of a new one."""

    async def ask():
        first = await servers.address({"PATH": os.environ["PATH"]})
        Path(first).unlink()  # what a server does that takes no more requests
        second = await servers.address({"PATH": os.environ["PATH"]})
        await servers.stop()
        return first, second

    first, second = asyncio.run(ask())
    assert second not in (None, first)


def test_a_server_that_does_not_start_costs_a_line_in_the_log(servers):
    """The run then gets a process of its own, and the reason is what the server has written."""
    with heard("prefect.workers.warm-process") as shown:
        assert asked(servers, {"BROKEN": "1"}) == [None]
    assert "fork server: it did not start; runs get processes of their own for 5 minutes" in shown


def test_a_server_that_did_not_start_is_not_tried_again_at_once(servers, tried, monkeypatch):
    """Each try may take minutes on a slow disk; after a pause another one is made."""
    assert asked(servers, {"BROKEN": "1"}, {"BROKEN": "1"}) == [None, None]
    assert len(tried) == 1
    monkeypatch.setattr(fork_servers, "_PAUSE_SECONDS", 0.0)
    assert asked(servers, {"BROKEN": "1"}) == [None]
    assert len(tried) == 2


def test_a_server_that_takes_too_long_is_killed(servers, tried, monkeypatch):
    """It holds hundreds of megabytes."""
    monkeypatch.setattr(fork_servers, "_START_SECONDS", 0.3)
    assert asked(servers, {"SLOW": "1"}) == [None]
    assert tried[0]._process.returncode == -signal.SIGKILL


def test_all_servers_end_with_their_worker(servers):
    """Their folders are deleted."""
    addresses = asked(servers, {"A": "1"}, {"A": "2"})
    assert not any(Path(address).parent.exists() for address in addresses)
