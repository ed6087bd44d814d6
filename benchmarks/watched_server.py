"""Observations of a pool's server while it works: memory, processor time, latency, runs in flight, database."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import httpx
import numpy as np

from benchmarks.families import Family

if TYPE_CHECKING:
    from local_pool import LocalPool

_OPEN = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING")
_SECONDS = 0.5  # between two cheap requests
_COUNTED = 10  # cheap requests between two counts of open runs, which cost more


class WatchedServer:
    """A context that watches a pool's server and database; the attributes hold once it has ended.

    Args:
        pool: its server runs on PostgreSQL.
        others: processes whose time is measured too, by name.

    Attributes:
        processor: seconds of processor time, of "server", "database" and the others.
        peak_mib: most memory of the server's processes.
        grew_mib: growth of the database.
        most_in_flight: most children that were sent and had not ended.
        runs: flow runs of children that were created.
    """

    def __init__(self, pool: "LocalPool", others: Mapping[str, int]) -> None:
        self._url = f"{pool.url}/api"
        self._database = pool.environment["PREFECT_API_DATABASE_CONNECTION_URL"].replace("+asyncpg", "")
        leaders = {"server": pool.processes["server"].pid, "database": self._postmaster(), **others}
        self._families = {name: Family(leader) for name, leader in leaders.items()}
        self._latencies: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.processor: dict[str, float] = {}
        self.peak_mib = self.grew_mib = 0.0
        self.most_in_flight = self.runs = 0

    def __enter__(self) -> Self:
        """Start to watch."""
        self._families["server"].forget_peak()
        self.processor = {name: family.seconds() for name, family in self._families.items()}
        self.grew_mib, self.runs = -self._size_mib(), -self._count()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and compute the differences."""
        self._ended.set()
        self._thread.join()
        self.processor = {name: family.seconds() - self.processor[name] for name, family in self._families.items()}
        self.peak_mib = self._families["server"].peak_mib()
        self.grew_mib += self._size_mib()
        self.runs += self._count()

    def latency(self, quantile: float) -> float:
        """Return a quantile of the milliseconds of the cheap request, a read of the work pool."""
        return float(np.quantile(self._latencies, quantile)) * 1000

    def _watch(self) -> None:
        with httpx.Client(timeout=60) as client:
            while not self._ended.wait(_SECONDS):
                start = time.perf_counter()
                client.get(f"{self._url}/work_pools/gpu").raise_for_status()
                self._latencies.append(time.perf_counter() - start)
                if len(self._latencies) % _COUNTED == 0:
                    self.most_in_flight = max(self.most_in_flight, self._count(_OPEN))

    def _count(self, states: tuple[str, ...] = ()) -> int:
        wanted: dict[str, Any] = {"flows": {"name": {"any_": ["extract-outputs"]}}}
        if states:
            wanted["flow_runs"] = {"state": {"type": {"any_": list(states)}}}
        return int(httpx.post(f"{self._url}/flow_runs/count", json=wanted, timeout=60).raise_for_status().json())

    def _size_mib(self) -> float:
        return float(asyncio.run(self._fetch("SELECT pg_database_size(current_database())"))) / 2**20

    def _postmaster(self) -> int:
        """Return the first process of the database, which is the parent of all others."""
        return int(asyncio.run(self._fetch("SELECT pg_read_file('postmaster.pid')")).split()[0])

    async def _fetch(self, query: str) -> Any:
        connection = await asyncpg.connect(self._database)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()
