"""Prefect without a server of one's own: its API in a child process, quiet, ready by the time the models are loaded."""

import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from flows.errors import ClusterError

_STARTUP_SECONDS = 120
_TRIES = 2  # at somebody else's API, five seconds each at most

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; what infra/heartbeats.py counts on
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",  # what tasks log with the standard library is shown with their runs
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # and what is logged outside of runs only here
}
# nothing here waits for events or schedules; their writes to SQLite hold up those of the runs for two seconds each
_SERVICES_OFF = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in ("EVENT_PERSISTER", "TRIGGERS", "SCHEDULER", "LATE_RUNS")
}

_started: list[subprocess.Popen[bytes]] = []


def start_prefect_api() -> None:
    """Have a Prefect API: the one that `PREFECT_API_URL` names, else one in a child process that ends with this one.

    The first has to answer now, before anything else takes time.

    Call before prefect is imported: it reads its settings from the environment then. The child takes seconds to
    start; `wait_for_api` is where it has to be there. It has a session of its own, so that an interrupt from the
    keyboard ends the run and not the API that the run reports its end to.

    Raises:
        ClusterError: the one that `PREFECT_API_URL` names does not answer.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("dawin").setLevel(logging.INFO)
    if url := os.environ.get("PREFECT_API_URL"):  # somebody else's, or started before
        if not _started and not any(_answers(f"{url}/health") for _ in range(_TRIES)):
            raise ClusterError(f"PREFECT_API_URL={url}: no Prefect API answers there")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, **_SERVICES_OFF}
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.api_server", str(port)],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    _started.append(server)  # not waited for at the end: it ends when the pipe to it closes, whatever ended this


def wait_for_api() -> None:
    """Return when the API that `start_prefect_api` started is there.

    Raises:
        RuntimeError: it ended, or is not there after two minutes.
    """
    deadline = time.monotonic() + _STARTUP_SECONDS
    for server in _started:
        while not _answers(f"{os.environ['PREFECT_API_URL']}/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Prefect's API did not start (exit status {server.poll()})")
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


class _ReportedByTheCommand(logging.Filter):
    """Leaves out what Prefect says of failed runs: the command line says it too, in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all but Prefect's own errors."""
        return record.levelno < logging.ERROR or not record.name.startswith("prefect")


def keep_errors_short() -> None:
    """Have failed runs told on the console by the command line alone; Prefect keeps all of it, with tracebacks."""
    from prefect.logging.configuration import setup_logging  # noqa: PLC0415  only when the settings stand

    setup_logging()  # which the first flow run would do, after this
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ReportedByTheCommand())
