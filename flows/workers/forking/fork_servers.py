"""The fork servers of a worker: one for each environment of its runs, started when it is first needed."""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from flows.workers.forking.fork_server import READY, shared_variables

_KEPT = 2  # servers with different environments; each holds the libraries in memory
_START_SECONDS = 180.0  # of imports, on a slow disk
_STOP_SECONDS = 5.0
_PAUSE_SECONDS = 300.0  # until a server that did not start is tried again

log = logging.getLogger("prefect.workers.warm-process")


class _Server:
    """A fork server's process, in a folder of its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._folder = tempfile.TemporaryDirectory(prefix="dawin-fork-")  # mode 700; a socket's path is short
        self.address = str(Path(self._folder.name) / "socket")
        self._process: asyncio.subprocess.Process | None = None
        self._lines: asyncio.Task[None] | None = None

    async def start(self) -> bool:
        """Start the process and wait for it; return whether it accepts requests."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flows.workers.forking.fork_server", self.address),
            env=self.environment,
            cwd=self._folder.name,  # no package of the worker's folder hides an installed one
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,  # a pipe, as a child's, so that libraries choose the same format
        )
        self._lines = asyncio.create_task(self._log_errors())
        assert self._process.stdout is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                return await self._process.stdout.readline() == READY
        return False

    def accepts(self) -> bool:
        """Return whether the server runs and takes further requests."""
        return self._process is not None and self._process.returncode is None and Path(self.address).exists()

    async def kill(self) -> None:
        """End a server that does not accept requests."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self.stop()

    async def stop(self) -> None:
        """Let the server end after its last child."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        if self._lines is not None:
            self._lines.cancel()
        self._folder.cleanup()

    async def _log_errors(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            log.warning("fork server: %s", line.decode(errors="replace").rstrip())


class ForkServers:
    """Finds or starts the server for a run; an async context that stops all of them at its end."""

    def __init__(self) -> None:
        self._servers: list[_Server] = []  # the one that was used last comes last
        self._one_at_a_time = asyncio.Lock()
        self._failed: dict[tuple[tuple[str, str], ...], float] = {}  # when a server did not start, by environment
        self._stopping: set[asyncio.Task[None]] = set()

    async def address(self, environment: Mapping[str, str]) -> str | None:
        """Return the address of a server for runs with an environment; None if it could not start.

        Args:
            environment: all variables of a run's process; those that differ between runs do not matter.
        """
        wanted = shared_variables(environment)
        async with self._one_at_a_time:
            for server in [server for server in self._servers if not server.accepts()]:
                log.warning("fork server: it has ended; the next run starts another one")
                self._retire(server)
            found = next((server for server in self._servers if server.environment == wanted), None)
            if found is not None:
                self._servers.remove(found)
            else:
                found = await self._started(wanted)
            if found is None:
                return None
            self._servers.append(found)
            while len(self._servers) > _KEPT:
                self._retire(self._servers[0])
            return found.address

    async def stop(self) -> None:
        """Stop all servers."""
        for server in list(self._servers):
            self._retire(server)
        await asyncio.gather(*self._stopping)

    async def _started(self, environment: dict[str, str]) -> _Server | None:
        last = self._failed.get(tuple(sorted(environment.items())))
        if last is not None and monotonic() - last < _PAUSE_SECONDS:
            return None
        server = _Server(environment)
        if await server.start():
            return server
        self._failed[tuple(sorted(environment.items()))] = monotonic()
        log.warning(
            "fork server: it did not start; runs get processes of their own for %.0f minutes", _PAUSE_SECONDS / 60
        )
        await server.kill()
        return None

    def _retire(self, server: _Server) -> None:
        self._servers.remove(server)
        task = asyncio.ensure_future(server.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
