"""The process that a worker starts for a flow run: a fork server runs the flow, and this process ends as the flow does.

It takes the place of the flow's process in the eyes of the worker: it passes signals on to that process and ends with
its exit status or by the same signal. A server that cannot be reached, or that refuses, does not matter: this process
then becomes the engine, with the imports that the server would have saved.

It runs as `python -I -S stand_in.py`, without the project's packages, so that its start takes some milliseconds.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

SERVER = "DAWIN__FORK_SERVER"
"""The variable that holds the address of the server's socket; not passed on to the flow's process."""
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that the flow's process gets in place of this one.

SIGINT is not among them: a terminal sends it to all processes of a worker, which then waits for its runs.
"""
STARTED, REFUSED, ENDED = "started", "refused", "ended"
"""The server's answers: the number of the new process, the reason of a refusal, the exit status."""

_ENGINE = ("-m", "flows.workers.engine")
_SECONDS = 60.0  # until a server answers that is busy with other runs


class StandIn:
    """Has a server run a flow, in place of this process."""

    def __init__(self) -> None:
        self._received: list[int] = []
        self._is_requested = False  # the server takes signals after the request

    def run(self, address: str) -> int | None:
        """Return the exit status of the flow's process, negative for a signal; None: no server took the run.

        Args:
            address: of the server's socket.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.settimeout(_SECONDS)
                connection.connect(address)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                for number in PASSED_ON:
                    signal.signal(number, lambda received, _frame: self._pass_on(connection, received))
                content = json.dumps({"environment": dict(os.environ), "directory": os.getcwd()}).encode()
                socket.send_fds(connection, [len(content).to_bytes(4, "big")], [0, 1, 2])
                connection.sendall(content)
                self._pass_on_received(connection)
                answers = connection.makefile("r")
                kind, _, value = answers.readline().strip().partition(" ")
            except OSError as error:
                _say(f"the fork server does not answer ({error})")
                return None
            if kind != STARTED:
                _say(f"the fork server starts no process: {value or 'it has ended'}")
                return None
            connection.settimeout(None)
            return _end_of(int(value), answers.readline)

    def become_the_engine(self) -> None:
        """Replace this program by Prefect's engine; it gets the signals that no other process has got."""
        for number in (*PASSED_ON, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for received in self._received:
            os.kill(os.getpid(), received)
        os.execv(sys.executable, [sys.executable, *_ENGINE])

    def _pass_on(self, connection: socket.socket, number: int) -> None:
        self._received.append(number)
        if self._is_requested:
            with contextlib.suppress(OSError):
                connection.send(bytes([number]))

    def _pass_on_received(self, connection: socket.socket) -> None:
        """Pass the signals on that came before the request was sent, and from now on each at once."""
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        self._is_requested = True
        if self._received:
            connection.sendall(bytes(self._received))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)


def _end_of(process: int, answer: Callable[[], str]) -> int:
    """Wait for the flow's process and return its exit status; if the server dies, so does the process."""
    with contextlib.suppress(OSError):
        kind, _, status = answer().strip().partition(" ")
        if kind == ENDED:
            return int(status)
    _say(f"the fork server has died; its process {process} is killed")
    with contextlib.suppress(OSError):  # its helpers too: the kernel has killed only the process itself
        os.killpg(process, signal.SIGKILL)
    return -signal.SIGKILL


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())


def end_with(status: int) -> None:
    """End this process with an exit status, or by the signal that a negative status names."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the flow's process has left one, where that is wanted
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler to remove
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


if __name__ == "__main__":
    stand_in = StandIn()
    ended = stand_in.run(server) if (server := os.environ.pop(SERVER, "")) else None
    if ended is None:
        stand_in.become_the_engine()
    else:
        end_with(ended)
