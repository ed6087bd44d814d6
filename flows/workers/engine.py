"""The process of a flow run on a worker: `python -m flows.workers.engine`, Prefect's engine with a short start and end.

Python looks for garbage again and again while torch is loaded, and finds none; at its end it goes through all that was
loaded, object by object. That is three seconds a run in which the worker's GPU does nothing. Here the first is put off
until the flow is loaded; at the end what has to be done is done (logs and events are sent, helper processes ended),
and the rest is left to the operating system.
"""

import atexit
import gc
import os
import runpy
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module


def load(flow: str | None) -> None:
    """Load Prefect and a flow (`flow-name` lies in `flows/flow_name.py`); what fails here fails again in the engine."""
    gc.disable()
    with suppress(Exception):
        import_module("prefect.flow_engine")
        if flow:
            import_module(f"flows.{flow.replace('-', '_')}")
    gc.freeze()
    gc.enable()


def run() -> int:
    """Run the flow run that the environment names, and return the process's exit status as Prefect's engine sets it."""
    sys.modules.pop("prefect.engine", None)  # loaded on the way, and wanted anew: as the main program it does the work
    try:
        runpy.run_module("prefect.engine", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    load(os.environ.get("PREFECT__FLOW_NAME"))  # set by the worker
    status = run()
    threading._shutdown()  # type: ignore[attr-defined]  # what Python calls first of all at its end, and then; there are no public names for them
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
