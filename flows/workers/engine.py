"""The process of a flow run on a worker: `python -m flows.workers.engine`, Prefect's engine with a fast start and end.

Python collects garbage many times during the import of torch, and finds none; at exit it frees all loaded objects one
by one. Both together take three seconds of each run, in which the worker's GPU is idle. This module collects no garbage
until the flow is loaded. At exit it runs the registered handlers, which send logs and events and end helper processes,
and leaves the memory to the operating system.
"""

import atexit
import os
import runpy
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from flows.workers.cancelled_start import end_if_cancelling
from flows.workers.quick_imports import without_collection


def load(flow: str | None) -> None:
    """Import Prefect and a flow without garbage collection; the engine reports an import that fails.

    Args:
        flow: name of the flow, `verb-noun` for `flows/verb_noun.py`; None: only Prefect.
    """
    with without_collection(), suppress(Exception):
        import_module("prefect.flow_engine")
        if flow:
            import_module(f"flows.{flow.replace('-', '_')}")


def run() -> int:
    """Run the flow run that the environment names; return the exit status of Prefect's engine."""
    status = _run()
    if status:
        end_if_cancelling()
    return status


def _run() -> int:
    sys.modules.pop("prefect.engine", None)  # imported by other modules; only as the main program does it run the flow
    try:
        runpy.run_module("prefect.engine", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(status: int) -> NoReturn:
    """End this process with an exit status, after the handlers that Python calls at exit."""
    threading._shutdown()  # type: ignore[attr-defined]  # what Python's exit calls first; without a public name
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    load(os.environ.get("PREFECT__FLOW_NAME"))  # the worker sets it
    end(run())
