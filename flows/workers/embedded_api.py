"""Prefect without a server of one's own: its API in a child process, quiet, ready by the time the models are loaded."""

import http.client
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from flows.errors import OrchestrationError

_STARTUP_SECONDS = 120
_TRIES = 2  # at somebody else's API, five seconds each at most

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; what infra/heartbeats.py counts on
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",  # what tasks log with the standard library is shown with their runs
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # and what is logged outside of runs only here
}
_SERVICES = {
    # nothing here waits for events or schedules; SQLite has one writer at a time, and theirs would hold up the runs
    **{
        f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
        for name in ("EVENT_PERSISTER", "TRIGGERS", "SCHEDULER", "LATE_RUNS")
    },
    # the states of task runs are written once a second, not one by one: a fraction of the transactions. At its end the
    # recorder writes one batch, and with batches of one (the default) it loses what had to be tried again
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",  # seconds, whole ones
}

_HOME_BYTES = 16 << 20  # a new database and its write-ahead log take 7 MiB, a run of six data sets 1 MiB more
_WHAT_TO_DO = "free some room or set PREFECT_HOME to another folder, and run again: the store is unharmed"

_RECENT_SECONDS = 60  # a trouble that the API reported before that is no reason of a failure now
_NOT_WRITTEN = "the result has not been written"
_started: list[subprocess.Popen[bytes]] = []

log = logging.getLogger("dawin.api")


def start_prefect_api() -> None:
    """Have a Prefect API: the one that `PREFECT_API_URL` names, else one in a child process that ends with this one.

    The first has to answer now, before anything else takes time.

    Call before prefect is imported: it reads its settings from the environment then. The child takes seconds to
    start; `wait_for_api` waits until it answers. It has a session of its own, so that an interrupt from the
    keyboard ends the run and not the API that the run reports its end to.

    Raises:
        OrchestrationError: the one that `PREFECT_API_URL` names does not answer, or `PREFECT_HOME` cannot be written.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("dawin").setLevel(logging.INFO)
    if url := os.environ.get("PREFECT_API_URL"):  # somebody else's, or started before
        if not _started and not any(_answers(url) for _ in range(_TRIES)):
            raise OrchestrationError(f"PREFECT_API_URL={url}: no Prefect API answers there")
        return
    _check_home()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    _start(port)


def revive_prefect_api() -> None:
    """Start the child process of `start_prefect_api` again if it has ended; on its port, which Prefect has read.

    Raises:
        OrchestrationError: its database cannot be written.
        RuntimeError: it does not answer, or ends again.
    """
    if not _started or (status := _started[-1].poll()) is None:
        return
    log.warning("Prefect's API has ended (exit status %s): it is started again", status)
    _check_home()
    _start(urllib.parse.urlsplit(os.environ["PREFECT_API_URL"]).port or 0)
    ended = _started.pop(0)  # now that it has a successor: a look after one that failed here tries again
    for pipe in (ended.stdin, ended.stdout):
        assert pipe is not None
        pipe.close()
    wait_for_api()


def _start(port: int) -> None:
    """Start the child process."""
    environment = {**os.environ, **_SERVICES}
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.workers.api_server", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # see `trouble`
        env=environment,
        start_new_session=True,
    )
    assert server.stdout is not None
    os.set_blocking(server.stdout.fileno(), False)
    _started.append(server)  # not waited for at the end: it ends when the pipe to it closes, whatever ended this


def wait_for_api() -> None:
    """Return when the API that `start_prefect_api` started is there.

    Raises:
        OrchestrationError: its database cannot be written.
        RuntimeError: it ended, or is not there after two minutes.
    """
    deadline = time.monotonic() + _STARTUP_SECONDS
    for server in _started:
        while not _answers(os.environ["PREFECT_API_URL"]):
            if server.poll() is not None or time.monotonic() > deadline:
                if reason := trouble():
                    raise OrchestrationError(reason)
                raise RuntimeError(f"Prefect's API did not start (exit status {server.poll()})")
            time.sleep(0.1)


def trouble() -> str | None:
    """Return why the API that `start_prefect_api` started cannot do its work now, with what to do; None: it can.

    The API writes lines of a time and a text to its standard output when its database cannot be written. This process
    gets only an "Internal Server Error" of that, in many places.
    """
    now, latest = time.time(), None
    for server in _started:
        assert server.stdout is not None
        for line in (server.stdout.read() or b"").decode(errors="replace").splitlines():
            at, _, text = line.partition(" ")
            if at.isdecimal() and now - int(at) < _RECENT_SECONDS:
                latest = text
    return f"{latest}; {_WHAT_TO_DO}" if latest else None


def _check_home() -> None:
    """See that Prefect's database can be written, before anything takes time.

    Raises:
        OrchestrationError: no folder can be made there, nothing can be written, or no room is left.
    """
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # as Prefect makes it
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"x")
        disk = os.statvfs(home)
    except OSError as error:
        raise OrchestrationError(f"PREFECT_HOME={home}: cannot be written ({error.strerror}); {_WHAT_TO_DO}") from error
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < _HOME_BYTES:  # no blocks at all: a file system that does not count them
        wanted = f"wanted {_HOME_BYTES >> 20} MiB for Prefect's database, got {free / 2**20:.1f}"
        raise OrchestrationError(f"PREFECT_HOME={home}: no room ({wanted}); {_WHAT_TO_DO}")


def _answers(url: str) -> bool:
    """Tell whether an API answers at an address, be it that it wants to know who asks: Prefect's client says that."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code != http.HTTPStatus.NOT_FOUND
    except (OSError, http.client.HTTPException, ValueError):  # no connection, no HTTP, no address
        return False


class _ReportedByTheCommand(logging.Filter):
    """Leaves out what Prefect says of failed runs: the command line says it too, in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all but Prefect's own errors, and its warning that it could not store one of them."""
        is_prefects = record.name.startswith("prefect")
        return not is_prefects or (record.levelno < logging.ERROR and _NOT_WRITTEN not in str(record.msg))


def keep_errors_short() -> None:
    """Let only the command line report failed runs on the console; Prefect keeps all of it, with tracebacks."""
    from prefect.logging.configuration import setup_logging  # noqa: PLC0415  only when the settings stand

    logging.raiseExceptions = False  # a log line that the API cannot take: the run's own failure reports the reason
    setup_logging()  # which the first flow run would do, after this
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ReportedByTheCommand())
