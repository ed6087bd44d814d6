"""What the embedded API prints of its troubles, and where `dawin` refuses a PREFECT_HOME."""

import asyncio
import http.server
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from flows.errors import OrchestrationError
from flows.workers import api_messages
from flows.workers import embedded_api as embedded
from flows.workers.api_messages import OneLine

POPEN = subprocess.Popen


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch):
    """Each test starts with nothing reported."""
    monkeypatch.setattr(api_messages, "_reported", [])


def record_of(message, cause=None):
    """A record as Prefect logs it, with the traceback of an error of SQLAlchemy's."""
    error = sa.exc.OperationalError("INSERT INTO task_run\nVALUES (1)", {}, sqlite3.Error(cause)) if cause else None
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("prefect.server", logging.ERROR, "file", 1, message, (), exc_info)


def test_a_full_disk_is_reported_once_to_the_command_and_logged_by_nobody(capfd):
    """However many requests fail of it."""
    for _ in range(3):
        assert not OneLine().filter(record_of("Encountered exception in request:", "database or disk is full"))
    said = capfd.readouterr().out
    assert said.count("\n") == 1
    assert said.endswith("cannot be written: database or disk is full\n")


def test_a_full_disk_is_found_in_a_traceback_that_is_text(capfd):
    """As uvicorn logs it when the start fails; the line after it, that the start failed, is left out too."""
    text = "Traceback (most recent call last):\n  ...\nsqlite3.OperationalError: disk I/O error\n(Background on this)"
    assert not OneLine().filter(record_of(text))
    assert not OneLine().filter(record_of("Application startup failed. Exiting."))
    assert capfd.readouterr().out.endswith("cannot be written: disk I/O error\n")


def test_a_lock_is_shown_only_when_nobody_tries_again():
    """The recorder of task runs says how many events it drops."""
    again = "Error flushing 1 events (1 to retry, 0 dropped)"
    assert not OneLine().filter(record_of(again, "database is locked"))
    lost = record_of("Error flushing 1 events (0 to retry, 1 dropped)", "database is locked")
    assert OneLine().filter(lost)
    assert "1 dropped) (OperationalError: (sqlite3.Error) database is locked)" in lost.getMessage()


def test_a_request_whose_sender_is_gone_is_no_trouble():
    """Prefect cancels it, and SQLAlchemy reports an error of the connection that it resets."""
    cancelled = asyncio.CancelledError()
    record = record_of("Exception during reset or similar")
    record.exc_info = (type(cancelled), cancelled, None)
    assert not OneLine().filter(record)


def test_any_other_error_is_one_line_without_traceback():
    """With its message, its class and its first line."""
    record = record_of("Encountered exception in request:", "no such table")
    assert OneLine().filter(record)
    assert record.getMessage() == "Encountered exception in request: (OperationalError: (sqlite3.Error) no such table)"
    assert record.exc_info is None


@pytest.fixture
def environment(monkeypatch):
    """An environment of the test's own, without a Prefect API; nothing is started in it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.setattr(embedded.subprocess, "Popen", None)
    return own


def test_a_prefect_home_that_cannot_be_made_is_refused_by_name(environment, tmp_path):
    """Before anything is loaded or started."""
    (tmp_path / "file").touch()
    environment["PREFECT_HOME"] = str(tmp_path / "file" / "prefect")
    with pytest.raises(OrchestrationError, match=r"=.*/file/prefect: cannot be written \(Not a directory\); free"):
        embedded.start_prefect_api()


def test_a_prefect_home_without_room_is_refused_with_what_is_free(environment, tmp_path, monkeypatch):
    """What is wanted is named too."""
    environment["PREFECT_HOME"] = str(tmp_path)
    disk = SimpleNamespace(f_blocks=1000, f_bavail=5 << 8, f_frsize=1 << 12)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    with pytest.raises(OrchestrationError, match=r"no room \(wanted 16 MiB for Prefect's database, got 5\.0\)"):
        embedded.start_prefect_api()


@pytest.fixture
def answering():
    """Serve HTTP; return its address, and the status that `/api/health` answers with, which tests set."""
    status = {"/api/health": 200}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status.get(self.path, 404))
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api", status
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("slash", "status"), [("", 200), ("/", 200), ("", 401), ("//", 403)])
def test_an_api_that_answers_in_whatever_way_is_taken(environment, answering, slash, status):
    """With a slash at the end of its address, or behind a proxy that wants to know who asks."""
    url, statuses = answering
    statuses["/api/health"] = status
    environment["PREFECT_API_URL"] = url + slash
    embedded.start_prefect_api()
    assert environment["PREFECT_API_URL"] == url + slash


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_address_without_an_api_is_refused_by_name(environment, answering, status):
    """A server of something else, or a proxy before nothing."""
    url, statuses = answering
    statuses["/api/health"] = status
    environment["PREFECT_API_URL"] = url
    with pytest.raises(OrchestrationError, match=f"^PREFECT_API_URL={url}: no Prefect API answers there$"):
        embedded.start_prefect_api()


def test_an_address_that_is_none_is_refused_by_name(environment):
    """It is no HTTP address at all."""
    environment["PREFECT_API_URL"] = "somewhere"
    with pytest.raises(OrchestrationError, match=r"^PREFECT_API_URL=somewhere: no Prefect API answers there$"):
        embedded.start_prefect_api()


CHILD = """
import http.server, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""


def test_an_api_that_ended_is_started_again_on_its_port(environment, tmp_path, monkeypatch, caplog):
    """Also at a second try, where the first one could not write PREFECT_HOME; one that lives is left alone."""
    environment["PREFECT_HOME"] = str(tmp_path / "prefect")

    def start(command, **more):
        return POPEN([sys.executable, "-c", CHILD, command[-1]], **more)

    monkeypatch.setattr(embedded, "_started", [])
    monkeypatch.setattr(embedded.subprocess, "Popen", start)
    embedded.start_prefect_api()
    [first], url = embedded._started, environment["PREFECT_API_URL"]
    embedded.wait_for_api()
    embedded.revive_prefect_api()
    assert embedded._started == [first]
    first.kill()
    first.wait()
    environment["PREFECT_HOME"] = "/dev/null/prefect"
    with pytest.raises(OrchestrationError, match="cannot be written"):
        embedded.revive_prefect_api()
    environment["PREFECT_HOME"] = str(tmp_path / "prefect")
    embedded.revive_prefect_api()
    [second] = embedded._started
    assert (second.pid != first.pid, second.poll(), environment["PREFECT_API_URL"]) == (True, None, url)
    assert "Prefect's API has ended (exit status -9): it is started again" in caplog.text
    second.communicate(timeout=10)
