"""The embedded API of a command: the environments in which it starts, and its restart."""

import http.server
import os
import sys
import threading
import urllib.request
from types import SimpleNamespace

import pytest

from flows.errors import OrchestrationError
from flows.workers.embedded_api import EmbeddedApi


@pytest.fixture
def environment(monkeypatch):
    """The environment of a test, without a Prefect API."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    monkeypatch.setattr(os, "environ", own)
    return own


@pytest.fixture
def api(environment):
    """An API whose start as a child process would be another error than those that the tests expect."""
    return EmbeddedApi(["/no such program"])


def test_a_prefect_home_that_cannot_be_made_is_refused_by_name(api, environment, tmp_path):
    """The error has the path and the reason, and no process was started."""
    (tmp_path / "file").touch()
    environment["PREFECT_HOME"] = str(tmp_path / "file" / "prefect")
    with pytest.raises(OrchestrationError, match=r"=.*/file/prefect: cannot be written \(Not a directory\); free"):
        api.start()


def test_a_prefect_home_without_room_is_refused_with_what_is_free(api, environment, tmp_path, monkeypatch):
    """The error has the wanted and the free MiB, and no process was started."""
    environment["PREFECT_HOME"] = str(tmp_path)
    disk = SimpleNamespace(f_blocks=1000, f_bavail=5 << 8, f_frsize=1 << 12)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    with pytest.raises(OrchestrationError, match=r"no room \(wanted 16 MiB for Prefect's database, got 5\.0\)"):
        api.start()


@pytest.fixture
def answering():
    """The address of an HTTP server, and its status for each path, which tests change."""
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
def test_an_api_that_answers_is_used(api, environment, answering, slash, status):
    """Also with slashes at the end of its address, or behind a proxy that demands credentials."""
    url, statuses = answering
    statuses["/api/health"] = status
    environment["PREFECT_API_URL"] = url + slash
    api.start()
    assert environment["PREFECT_API_URL"] == url + slash


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_address_without_an_api_is_refused_by_name(api, environment, answering, status):
    """It may be another kind of server, or a proxy whose API is down."""
    url, statuses = answering
    statuses["/api/health"] = status
    environment["PREFECT_API_URL"] = url
    with pytest.raises(OrchestrationError, match=f"^PREFECT_API_URL={url}: no Prefect API answers there$"):
        api.start()


def test_an_invalid_address_is_refused_by_name(api, environment):
    """Text that is not an HTTP address counts as an API that does not answer."""
    environment["PREFECT_API_URL"] = "somewhere"
    with pytest.raises(OrchestrationError, match=r"^PREFECT_API_URL=somewhere: no Prefect API answers there$"):
        api.start()


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


def test_an_api_that_has_ended_is_started_again_on_its_port(environment, tmp_path, caplog):
    """A first attempt that cannot write PREFECT_HOME does not prevent a second one; a living API is not restarted."""
    environment["PREFECT_HOME"] = str(tmp_path / "prefect")
    api = EmbeddedApi([sys.executable, "-c", CHILD])
    api.start()
    first, url = api.process, environment["PREFECT_API_URL"]
    api.wait()
    api.revive()
    assert api.process is first
    first.kill()
    first.wait()
    environment["PREFECT_HOME"] = "/dev/null/prefect"
    with pytest.raises(OrchestrationError, match="cannot be written"):
        api.revive()
    environment["PREFECT_HOME"] = str(tmp_path / "prefect")
    api.revive()
    assert (api.process.pid != first.pid, environment["PREFECT_API_URL"]) == (True, url)
    with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
        assert answer.status == 200
    assert "Prefect's API has ended (exit status -9) and is started again" in caplog.text
    api.process.communicate(timeout=10)
