"""`dawin ui`: the pages of the runs that commands without a server have recorded."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny
from browser import CHROMIUM, page
from embedded import environment

from flows.cli import main

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A `PREFECT_HOME` with one run."""
    folder = tmp_path_factory.mktemp("ui")
    arguments = [tiny.experiment(folder, samples=6), "--store", folder / "store"]
    subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", *arguments],
        env=environment(folder / "prefect"),
        check=True,
        capture_output=True,
    )
    return folder / "prefect"


@contextmanager
def served(home, *arguments):
    """Start `dawin ui`, yield its first line, and interrupt it."""
    command = [sys.executable, "-m", "flows.cli", "ui", *arguments]
    ui = subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield ui.stdout.readline()
    finally:
        ui.send_signal(signal.SIGINT)
        out, err = ui.communicate(timeout=60)
    assert ui.returncode == 0
    assert "Traceback" not in out + err


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the page")
def test_a_browser_shows_a_recorded_run_on_any_port(home, tmp_path):
    """The page asks the API on the port of the page, which is not Prefect's usual one."""
    database = sqlite3.connect(home / "prefect.db")
    (run,) = database.execute("SELECT id FROM flow_run WHERE name = 'tiny: tuned.pt'").fetchone()
    database.close()
    kept = Path(os.environ.get("DAWIN_SCREENSHOTS", tmp_path))
    kept.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served(home, "--port", str(port)) as line:
        address = line.split(": ")[1].strip()
        assert address == f"http://127.0.0.1:{port}/runs"
        assert "tiny: tuned.pt" in page(address, kept / "runs.png", "tiny: tuned.pt")
        fitted = "mean entropy coefficients of 6 samples"
        one = page(f"{address}/flow-run/{run}", kept / "embedded-run.png", fitted)
    assert fitted in one
    assert "experiment:tiny" in one


def test_a_port_in_use_is_refused_by_name(monkeypatch, capsys):
    """Exit status 2, and the port with the reason."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    assert f"port {port}: cannot be used (Address already in use); wanted a free one" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999999", "-1", "http"])
def test_a_port_that_is_none_is_a_wrong_request(port, capsys):
    """Exit status 2, the wanted numbers and the given text."""
    with pytest.raises(SystemExit) as ended:
        main(["ui", f"--port={port}"])
    assert ended.value.code == 2
    assert f"wanted a number from 1 to 65535, got '{port}'" in capsys.readouterr().err


def test_with_a_server_its_own_pages_are_named(monkeypatch, capsys):
    """No second server starts beside the one of `PREFECT_API_URL`."""
    monkeypatch.setenv("PREFECT_API_URL", "http://server:4200/api")
    assert main(["ui"]) == 0
    assert capsys.readouterr().out.endswith("http://server:4200/runs\n")
