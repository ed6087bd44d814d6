"""The command line under limits of memory and time, in a process for each call that does not import torch again.

A server process imports the command line once, and each call forks it. The fork limits its address space to its present
size and an allowance, sets an alarm for its wall time, runs `flows.cli.main`, and ends. A command that exceeds its
memory ends with `MemoryError` or is killed; one that hangs is ended by SIGALRM.
"""

import contextlib
import gc
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

MIB = 1 << 20


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    """Its exit status, or the negative number of the signal that ended it (SIGALRM: it took too long)."""
    out: str
    err: str
    seconds: float


class Confined:
    """Runs commands in forks of one server process."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *arguments, folder, mib=512, seconds=5.0):
        """Run `dawin ARGUMENTS` in a folder, with `mib` of memory beyond the server's own; return its `Outcome`."""
        request = {"arguments": list(map(str, arguments)), "folder": str(folder), "mib": mib, "seconds": seconds}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))

    def close(self):
        self._server.stdin.close()
        self._server.wait()


def _address_space():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmSize:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmSize in /proc/self/status")


def _fork(main, request):
    """Run a request in a fork; return its outcome."""
    start = time.monotonic()
    streams = {name: os.memfd_create(name) for name in ("out", "err")}
    child = os.fork()
    if not child:
        status = 70
        try:
            os.chdir(request["folder"])
            os.dup2(streams["out"], 1)
            os.dup2(streams["err"], 2)
            bound = _address_space() + request["mib"] * MIB
            resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
            signal.setitimer(signal.ITIMER_REAL, request["seconds"])
            try:
                status = main(request["arguments"])
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}".encode(errors="replace"))
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    texts = {}
    for name, stream in streams.items():
        with io.FileIO(stream) as file:
            file.seek(0)
            texts[name] = file.read().decode(errors="backslashreplace")
    return Outcome(os.waitstatus_to_exitcode(ended), **texts, seconds=time.monotonic() - start)


def _serve():
    # the commands under test need these modules: import them once, before the forks
    import flows.planning.check  # noqa: F401
    import tasks.datasets.loading
    import tasks.opening.check_checkpoint
    import tasks.opening.convert_checkpoint
    import tasks.opening.inspect_checkpoint
    import tasks.opening.list_samples  # noqa: F401
    from flows.cli import main

    gc.freeze()  # a collection in a fork would touch all objects, and so copy them
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not reach the answers
    for line in sys.stdin:
        answers.write(json.dumps(_fork(main, json.loads(line))._asdict()) + "\n")
        answers.flush()
    os._exit(0)  # skips the libraries' messages about objects that still live


if __name__ == "__main__":
    _serve()
