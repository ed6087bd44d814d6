"""A flow run of a fork server: the connection of its stand-in, and its process."""

import json
import os
import signal
import socket
from contextlib import suppress

from flows.workers.forking.forked_child import Request

_HEAD = 4  # bytes, which hold the length of a request


class ForkedRun:
    """One request of a stand-in, from its first byte to the end of its process.

    Attributes:
        connection: of the stand-in; its end is the end of the run.
        process: number of the run's process, which is also the number of its group; None before the fork.
        closed: whether the stand-in has ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection, self.closed = connection, False
        self.process: int | None = None
        self._bytes = b""
        self._descriptors: list[int] = []

    def read(self) -> Request | None:
        """Return the request if it is complete now; deliver signals; kill the process of a stand-in that has ended."""
        try:
            received, descriptors, _, _ = socket.recv_fds(self.connection, 1 << 20, 3)
        except BlockingIOError:
            return None
        except OSError:
            received, descriptors = b"", []
        self._descriptors += descriptors
        self._bytes += received
        if not received:
            self.closed = True
            self._kill()
            return None
        if self.process is not None:
            self.deliver_signals()
            return None
        return self._request()

    def _request(self) -> Request | None:
        end = _HEAD + int.from_bytes(self._bytes[:_HEAD], "big")
        if len(self._bytes) < max(end, _HEAD):
            return None
        content, self._bytes = json.loads(self._bytes[_HEAD:end]), self._bytes[end:]
        variables, directory = content["environment"], content["directory"]
        if not isinstance(variables, dict) or not isinstance(directory, str) or len(self._descriptors) != 3:
            raise ValueError("wanted variables, a directory and three descriptors")
        if not all(isinstance(text, str) for pair in variables.items() for text in pair):
            raise ValueError("wanted texts as variables")
        return Request(variables, directory, tuple(self._descriptors))

    def has_ended(self) -> bool:
        """Return whether the stand-in has ended or given up, so that nobody would supervise a process."""
        with suppress(BlockingIOError):
            try:
                return self.connection.recv(1, socket.MSG_PEEK) == b""
            except ConnectionError:
                return True
        return False

    def deliver_signals(self) -> None:
        """Send the process the signals of its stand-in; its number is valid, because nobody has waited for it yet."""
        assert self.process is not None
        for number in self._bytes:
            with suppress(OSError):  # no signal has this number
                os.kill(self.process, number)
        self._bytes = b""

    def status(self) -> int | None:
        """Return the exit status of the process if it has ended, negative for a signal; its helpers are then killed."""
        if self.process is None or os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self._kill()  # before the wait, which frees the number of the group
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def say(self, line: str) -> None:
        """Send a line to the stand-in, which may have ended."""
        with suppress(OSError):
            self.connection.sendall(f"{line}\n".encode())

    def close_descriptors(self) -> None:
        """Close the received descriptors, which the process has by now."""
        for descriptor in self._descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self._descriptors.clear()

    def _kill(self) -> None:
        """Kill the process and its helpers."""
        if self.process is not None:
            for kill in (os.kill, os.killpg):
                with suppress(OSError):
                    kill(self.process, signal.SIGKILL)
