"""The process of a flow run on a worker: `python -m flows.engine` is Prefect's engine with a short end.

Python's own end goes through everything that torch has loaded, object by object: a second and a half, in which the
worker's GPU does nothing. What has to be done at the end is done (logs and events are sent, helper processes ended),
and the rest is left to the operating system.
"""

import atexit
import os
import runpy
import sys
import traceback


def run() -> int:
    """Run the flow run that the environment names, and return the process's exit status as Prefect's engine sets it."""
    try:
        runpy.run_module("prefect.engine", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    status = run()
    atexit._run_exitfuncs()  # what Python calls first of all at its end; there is no public name for it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
