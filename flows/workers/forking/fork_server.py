"""A process that has imported all that a flow needs and forks a process for each run; its argument is a socket's path.

A fork copies one thread. A lock that another thread holds at that moment stays closed in the new process for ever, so
that a process which forks has to have no other threads. Some libraries start threads when they are imported; hence the
program imports them and then forks once: the second process has one thread, and it is the server. Before it accepts
requests it forks a trial process that uses threads, torch and polars. Its memory is the same for each later fork, so
that a closed lock shows at once, and not in one run of a thousand.

The server touches no GPU, opens no connection and starts no event loop. Python's garbage collector leaves all imported
objects alone (`gc.freeze`), so that processes share their memory.

The server lives as long as its standard input stays open, which the worker holds. Then it takes no more requests, and
ends after its last child. SIGTERM has the same effect. Children die with the server (SIGKILL).
"""

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from flows.workers.forking.forked_child import Request, die_with, run_child, run_flow, try_libraries
from flows.workers.forking.forked_runs import ForkedRun
from flows.workers.forking.source_files import SourceFiles
from flows.workers.forking.stand_in import ENDED, REFUSED, STARTED
from flows.workers.quick_imports import without_collection

READY = b"ready\n"
"""The server's only line on standard output, when it accepts requests."""

_PER_RUN = "PREFECT__"  # prefix of variables that Prefect reads while a flow runs, not when it is imported
_LIBRARIES = ("prefect.flow_engine", "torch", "torchvision", "open_clip", "polars", "pyarrow.parquet", "s3fs")
_LATE = ("anyio._backends._asyncio", "encodings.idna", "prefect._internal.observers", "rich._emoji_codes")
_FLOWS = (
    "extract_outputs",
    "merge_weights",
    "evaluate_merges",
    "aggregate_results",
    "run_experiment",
    "watch_checkpoints",
)
_TRIAL_SECONDS = 60
_IGNORED = {"LC_CTYPE"}  # Python sets it where no locale is chosen


class ForkServer:
    """Forks a process for each request, and reports its end on the request's connection.

    Args:
        address: path of the socket; the folder's mode keeps other users away.
        environment: the variables with which this program started.
        sources: the files that this program has imported since.
        run: what a child does with its streams, variables and directory; returns its exit status.
    """

    def __init__(
        self, address: str, environment: Mapping[str, str], sources: SourceFiles, run: Callable[[], int] = run_flow
    ) -> None:
        self._address, self._environment, self._sources, self._run = address, environment, sources, run
        self._listener: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(512)
        self._runs: dict[int, ForkedRun] = {}  # by the descriptor of their connection
        self._stopping = False
        self._woken, self._wake = os.pipe()
        for descriptor in (self._woken, self._wake):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        """Answer requests until standard input ends or SIGTERM arrives, and until all children have ended."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_termination)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the worker decides whether to stop
        while self._listener or self._runs:
            for descriptor in self._ready():
                if descriptor == self._woken:
                    with suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                elif self._listener and descriptor == self._listener.fileno():
                    self._accept(self._listener)
                elif run := self._runs.get(descriptor):
                    self._hear(run)
                elif descriptor == 0 and not os.read(0, 4096):
                    self._stopping = True
            if self._stopping:
                self._stop()
            self._report_ends()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # too many open files: the stand-in waits until a run has ended
            connection = listener.accept()[0]
            self._runs[connection.fileno()] = ForkedRun(connection)

    def _on_termination(self, *_: object) -> None:
        self._stopping = True  # the loop sees it; a handler may not close what the loop uses

    def _ready(self) -> list[int]:
        """Wait and return the descriptors that have something to read."""
        poll = select.poll()  # unlike epoll no kernel object, which children would share
        listening = [self._listener.fileno(), 0] if self._listener else []
        for descriptor in (self._woken, *listening, *self._runs):
            poll.register(descriptor, select.POLLIN)
        return [descriptor for descriptor, _ in poll.poll()]

    def _hear(self, run: ForkedRun) -> None:
        """Read from a stand-in: a request, signals, or its end, which is its child's."""
        try:
            request = run.read()
        except (ValueError, LookupError, TypeError):  # not from a stand-in
            self._forget(run)
            return
        if (run.closed and run.process is None) or (request is not None and run.has_ended()):
            self._forget(run)
        elif request is not None:
            self._answer(run, request)

    def _answer(self, run: ForkedRun, request: Request) -> None:
        refusal = self._refusal(request)
        if refusal is None:
            try:
                self._fork(run, request)
            except OSError as error:  # no memory, or too many processes
                refusal = str(error)
        run.close_descriptors()
        if refusal is None:
            run.say(f"{STARTED} {run.process}")
        else:
            run.say(f"{REFUSED} {refusal}")
            self._forget(run)

    def _refusal(self, request: Request) -> str | None:
        """Return why a forked process would not equal a new one; None if it would."""
        wanted, present = shared_variables(request.environment), shared_variables(self._environment)
        if different := sorted(name for name in wanted | present if wanted.get(name) != present.get(name)):
            return f"its environment has other values of {', '.join(different)}"
        if changed := self._sources.changed():
            self._stopping = True
            return f"{changed} has changed since the server imported it"
        return None

    def _fork(self, run: ForkedRun, request: Request) -> None:
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # until the child has handlers of its own
        try:
            server, child = os.getpid(), os.fork()
            if child == 0:
                try:
                    self._leave(run)
                    run_child(request, server, self._run)
                finally:  # whatever happens, no child goes on with the server's loop
                    os._exit(1)
            run.process = child
            with suppress(OSError):  # the child does it too; whoever is first
                os.setpgid(child, child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        run.deliver_signals()

    def _leave(self, own: ForkedRun) -> None:
        """Close, in a child, everything that belongs to the server, and restore the handlers of signals."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for run in self._runs.values():
            run.connection.close()
            if run is not own:
                run.close_descriptors()
        if self._listener:
            self._listener.close()
        os.close(self._woken)
        os.close(self._wake)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})

    def _report_ends(self) -> None:
        for run in list(self._runs.values()):
            if (status := run.status()) is not None:
                run.say(f"{ENDED} {status}")
                self._forget(run)

    def _forget(self, run: ForkedRun) -> None:
        del self._runs[run.connection.fileno()]
        run.close_descriptors()
        run.connection.close()

    def _stop(self) -> None:
        """Take no more requests; the missing socket shows it to the worker."""
        if self._listener:
            Path(self._address).unlink(missing_ok=True)
            self._listener.close()
            self._listener = None


def shared_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are equal for all runs of a server.

    Libraries read their settings when they are imported, so that a run with another value needs another server.
    """
    return {
        name: value for name, value in environment.items() if not name.startswith(_PER_RUN) and name not in _IGNORED
    }


def preload() -> None:
    """Import all that the flows need, with modules that libraries import at their first use.

    The import of a flow that fails does not matter here: its own run tries again and shows the error.
    """
    with without_collection():
        for name in _LIBRARIES:
            import_module(name)
        for name in (*_LATE, *(f"flows.{flow}" for flow in _FLOWS)):
            with suppress(Exception):
                import_module(name)
    gc.collect()
    gc.freeze()


def become_the_only_thread() -> None:
    """Go on in a forked process; this one waits for it and ends with its status."""
    first, second = os.getpid(), os.fork()
    if second == 0:
        die_with(first)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(second, signal.SIGTERM))
    status = os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])
    os._exit(status if status >= 0 else 128 - status)


def check_forks() -> str | None:
    """Return why processes that this one forks would not work; None if a trial has shown that they do."""
    cuda = import_module("torch").cuda
    if cuda.is_initialized() or cuda._is_in_bad_fork():  # the latter in a process forked from one that has used it
        return "an import has initialised CUDA"
    if sys.platform == "linux" and (threads := len(os.listdir("/proc/self/task"))) > 1:
        return f"{threads} threads run in the fork server"
    trial = os.fork()
    if trial == 0:
        signal.alarm(_TRIAL_SECONDS)
        try_libraries()
    status = os.waitstatus_to_exitcode(os.waitpid(trial, 0)[1])
    return f"a trial process ended with {status}" if status else None


def main(address: str) -> NoReturn:
    """Serve until the worker ends."""
    environment, sources = dict(os.environ), SourceFiles()
    preload()
    become_the_only_thread()
    if fault := check_forks():
        print(fault, file=sys.stderr, flush=True)  # noqa: T201  the worker logs it
        os._exit(1)
    server = ForkServer(address, environment, sources)
    os.write(1, READY)
    os.dup2(2, 1)
    server.serve()
    with suppress(OSError):  # the worker deletes it too, if it still runs
        Path(address).parent.rmdir()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
