"""Prefect without a server of one's own: the in-process API, quiet, and ready by the time the models are loaded."""

import logging
import os
import threading

from tasks.errors import InputError

_STARTUP_SECONDS = 120

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",  # what tasks log with the standard library is shown with their runs
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # and what is logged outside of runs only here
}
_EMBEDDED = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(_STARTUP_SECONDS),
    # nothing here waits for events or schedules; their writes to SQLite hold up those of the runs for two seconds each
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}


def start_prefect_api() -> None:
    """Have a Prefect API: the one that `PREFECT_API_URL` names, else one in a child process, stopped with this one.

    Call before prefect is imported: it reads its settings from the environment then. The child process takes
    seconds to start; `wait_for_api` is where it has to be there.
    """
    for name, value in _ALWAYS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("dawin").setLevel(logging.INFO)
    if os.environ.get("PREFECT_API_URL") or _starting:
        return
    for name, value in _EMBEDDED.items():
        os.environ.setdefault(name, value)
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415  only now that the settings stand

    server = SubprocessASGIServer()
    _starting.append(threading.Thread(target=server.start, args=(_STARTUP_SECONDS,), daemon=True))
    _starting[0].start()


_starting: list[threading.Thread] = []


def wait_for_api() -> None:
    """Return when the API that `start_prefect_api` starts is there."""
    for thread in _starting:
        thread.join()


class OneLine(logging.Filter):
    """Leaves the traceback out of log records about wrong requests: their message says all."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, some without their traceback."""
        if record.exc_info and isinstance(record.exc_info[1], InputError | OSError):
            record.exc_info = None
            record.exc_text = None
        return True


def keep_errors_short() -> None:
    """Have wrong requests logged in one line each."""
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs", "dawin"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(OneLine())
