"""A Prefect API for one command: a child process that starts while the models load, and needs no set-up."""

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
from collections.abc import Sequence
from pathlib import Path

from flows.errors import OrchestrationError

_STARTUP_SECONDS = 120
_TRIES = 2  # requests to a configured API before it counts as absent, of five seconds at most

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; infra/heartbeats.py relies on it
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",  # sends log lines of tasks, by the standard library, to their runs
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # log lines outside of runs stay on the console
}
_SERVICES = {
    # no command uses events or schedules, and SQLite has one writer at a time: these services would delay the runs
    **{
        f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
        for name in ("EVENT_PERSISTER", "TRIGGERS", "SCHEDULER", "LATE_RUNS")
    },
    # the recorder writes the states of task runs in batches, once a second: far fewer transactions. At its end it
    # writes one batch only, so that with batches of one state (the default) it would lose the states to try again
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",  # seconds; Prefect takes whole numbers
}

_HOME_BYTES = 16 << 20  # a new database and its write-ahead log take 7 MiB, a run of six data sets 1 MiB more
_REMEDY = "free some room or set PREFECT_HOME to another folder, and run again: the store is unharmed"

_RECENT_SECONDS = 60  # older troubles of the API are not the reason of a failure now
_NOT_WRITTEN = "the result has not been written"

log = logging.getLogger("dawin.api")


class EmbeddedApi:
    """Prefect's API of one command: the one that `PREFECT_API_URL` names, or a child process that ends with this one.

    Args:
        command: starts the child process; the port follows as an argument.
        ui: whether the child process serves Prefect's pages too.

    Attributes:
        process: the child process; None: none was started.
    """

    def __init__(
        self, command: Sequence[str] = (sys.executable, "-m", "flows.workers.api_process"), *, ui: bool = False
    ) -> None:
        self._command, self._ui = command, ui
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, port: int | None = None) -> None:
        """Start the child process, unless `PREFECT_API_URL` names an API, which must answer now.

        Call this before the first import of prefect, which reads its settings from the environment at that time. The
        child takes seconds to start: `wait` waits until it answers. It has a session of its own, so that an interrupt
        from the keyboard ends the run, and not the API to which the run reports its end.

        Args:
            port: on 127.0.0.1; None: any free one.

        Raises:
            OrchestrationError: the API at `PREFECT_API_URL` does not answer, or `PREFECT_HOME` cannot be written.
        """
        for name, value in _ALWAYS.items():
            os.environ.setdefault(name, value)
        logging.getLogger("dawin").setLevel(logging.INFO)
        if url := os.environ.get("PREFECT_API_URL"):
            if self.process is None and not any(_answers(url) for _ in range(_TRIES)):
                raise OrchestrationError(f"PREFECT_API_URL={url}: no Prefect API answers there")
            return
        _check_home()
        port = free_port() if port is None else port
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        self.process = self._start_process(port)

    def revive(self) -> None:
        """Start the child process again if it has ended, on its old port, which Prefect has read.

        Raises:
            OrchestrationError: its database cannot be written.
            RuntimeError: it does not answer, or has ended again.
        """
        ended = self.process
        if ended is None or (status := ended.poll()) is None:
            return
        log.warning("Prefect's API has ended (exit status %s) and is started again", status)
        _check_home()
        self.process = self._start_process(urllib.parse.urlsplit(os.environ["PREFECT_API_URL"]).port or 0)
        for pipe in (ended.stdin, ended.stdout):
            assert pipe is not None
            pipe.close()
        self.wait()

    def wait(self) -> None:
        """Wait until the child process answers; return at once if there is none.

        Raises:
            OrchestrationError: its database cannot be written.
            RuntimeError: it has ended, or does not answer within two minutes.
        """
        if self.process is None:
            return
        deadline = time.monotonic() + _STARTUP_SECONDS
        while not _answers(os.environ["PREFECT_API_URL"]):
            if self.process.poll() is not None or time.monotonic() > deadline:
                if reason := self.trouble():
                    raise OrchestrationError(reason)
                raise RuntimeError(f"Prefect's API did not start (exit status {self.process.poll()})")
            time.sleep(0.1)

    def trouble(self) -> str | None:
        """Return why the child process cannot do its work now, with a remedy; None if it has reported nothing.

        The API reports a database that cannot be written on its standard output, in lines of a time and a text. The
        runs see only an "Internal Server Error", in many places.
        """
        if self.process is None:
            return None
        now, latest = time.time(), None
        assert self.process.stdout is not None
        for line in (self.process.stdout.read() or b"").decode(errors="replace").splitlines():
            at, _, text = line.partition(" ")
            if at.isdecimal() and now - int(at) < _RECENT_SECONDS:
                latest = text
        return f"{latest}; {_REMEDY}" if latest else None

    def _start_process(self, port: int) -> subprocess.Popen[bytes]:
        """Start the child process; it ends when the pipe to it closes, for whatever reason this process ends."""
        process = subprocess.Popen(
            [*self._command, str(port), *(["--ui"] if self._ui else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # see `trouble`
            env={**os.environ, **_SERVICES, "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api"},
            start_new_session=True,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        return process


def free_port(wanted: int = 0) -> int:
    """Return a port of 127.0.0.1 on which nothing listens.

    Args:
        wanted: the port to check; 0: any.

    Raises:
        OrchestrationError: another process uses the port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port whose connections are closing is free
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise OrchestrationError(f"port {wanted}: cannot be used ({error.strerror}); wanted a free one") from error
        return int(probe.getsockname()[1])


prefect_api = EmbeddedApi()
"""The API of this process's command."""


def keep_errors_short(verbose: bool = False) -> None:
    """Leave the console to the command line, which reports failed runs in one line; Prefect's API keeps all log lines.

    Call this once the settings are final, before the first flow run.

    Args:
        verbose: whether the console shows the log lines of runs, except for reports of their failure; otherwise it
            shows the warnings of other libraries than Prefect only.
    """
    from prefect.logging.configuration import setup_logging  # noqa: PLC0415  reads the settings from the environment

    logging.raiseExceptions = False  # if the API cannot take a log line, the failure of the run reports the reason
    setup_logging()  # now, because the first flow run would replace the filters below
    consoles = [*logging.getLogger().handlers, *logging.getLogger("prefect._internal").handlers]
    for handler in consoles:
        for former in [one for one in handler.filters if isinstance(one, _ReportedByTheCommand)]:
            handler.removeFilter(former)
        handler.addFilter(_ReportedByTheCommand(verbose))


class _ReportedByTheCommand(logging.Filter):
    """Removes Prefect's reports of failed runs, which the command line prints in one line.

    Args:
        verbose: whether all other lines stay; otherwise Prefect's lines go, and those of others below a warning.
    """

    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self._verbose = verbose

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the records that a person should see."""
        if not record.name.startswith("prefect"):
            return self._verbose or record.levelno >= logging.WARNING
        return self._verbose and record.levelno < logging.ERROR and _NOT_WRITTEN not in str(record.msg)


def _check_home() -> None:
    """Check that Prefect's database can be written, before the command does anything that takes time.

    Raises:
        OrchestrationError: the folder cannot be created or written, or its file system has too little room.
    """
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)  # the mode that Prefect uses
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"x")
        disk = os.statvfs(home)
    except OSError as error:
        raise OrchestrationError(f"PREFECT_HOME={home}: cannot be written ({error.strerror}); {_REMEDY}") from error
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < _HOME_BYTES:  # a file system that does not count its blocks has none
        wanted = f"wanted {_HOME_BYTES >> 20} MiB for Prefect's database, got {free / 2**20:.1f}"
        raise OrchestrationError(f"PREFECT_HOME={home}: no room ({wanted}); {_REMEDY}")


def _answers(url: str) -> bool:
    """Return whether an API answers at an address; one that demands credentials does, and the client reports that."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code != http.HTTPStatus.NOT_FOUND
    except (OSError, http.client.HTTPException, ValueError):  # no connection, no HTTP, or no address
        return False
