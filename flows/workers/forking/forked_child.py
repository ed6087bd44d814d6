"""The process that a fork server forks for a flow run: it becomes what a new process of the engine would be."""

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

from flows.workers import engine

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Request(NamedTuple):
    """A flow run for a new process.

    Attributes:
        environment: all variables of the process.
        directory: its working directory.
        descriptors: file descriptors that become its standard input, output and error.
    """

    environment: Mapping[str, str]
    directory: str
    descriptors: Sequence[int]


def run_flow() -> int:
    """Run the flow run that the environment names; return the exit status of Prefect's engine."""
    engine.load(os.environ.get("PREFECT__FLOW_NAME"))
    return engine.run()


def run_child(request: Request, server: int, run: Callable[[], int]) -> NoReturn:
    """Become the process of a request, run it and end with its exit status; called right after a fork.

    Args:
        request: streams, variables and working directory.
        server: process number of the parent, with which this process dies.
        run: returns the exit status.
    """
    try:
        die_with(server)
        become(request)
        status = run()
    except BaseException:  # nothing of this process may return into the server's loop
        traceback.print_exc()
        status = 1
    try:
        engine.end(status)
    finally:
        os._exit(1)


def become(request: Request) -> None:
    """Set the streams, the variables and the working directory of this process, in a process group of its own."""
    os.setpgid(0, 0)
    for target, source in enumerate(request.descriptors):
        os.dup2(source, target)
    for source in request.descriptors:
        os.close(source)
    os.environ.update(request.environment)
    os.chdir(request.directory)
    sys.argv = [engine.__file__]  # Prefect's engine takes an argument for the id of a flow run
    sys.path[0] = request.directory  # as `python -m` sets it
    if "numpy" in sys.modules:  # otherwise all children would draw the same numbers from its global state
        import_module("numpy.random").seed()
    with suppress(OSError):
        Path("/proc/self/comm").write_text(os.environ.get("PREFECT__FLOW_NAME", "flow")[:15])


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; Linux only, a stand-in does it elsewhere."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:  # it has died between the fork and the call
        os._exit(1)


def try_libraries() -> NoReturn:
    """End with status 0 if threads, torch and polars work in a forked process.

    A lock that the fork left closed would stop this process, as it would stop every child of the same server.
    """
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    torch, polars = import_module("torch"), import_module("polars")
    square = torch.ones(256, 256)
    frame = polars.DataFrame({"a": [1, 2, 3]}).lazy().select(polars.col("a").sum()).collect()
    os._exit(0 if float((square @ square).sum()) == 256.0**3 and frame.item() == 6 else 1)
