"""Many works that do nothing, sent by a parent through a pool: none lost, none done twice, and the cost of each.

The server on PostgreSQL, the parent with its `Sender` and the deployments are the real ones. The worker is a stand-in
(`benchmarks/no_op_worker.py`): it takes runs and reports their states as a process worker does, and starts no process,
because 10,000 processes would take 14 hours of this machine. Each row is a parent of its own on the same server, so
that a row also shows the cost of all earlier rows that lie in the database.

    python -m benchmarks.backpressure --works 100 1000 10000
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "infra")]

from local_pool import LocalPool  # noqa: E402

from benchmarks.no_op_worker import done  # noqa: E402
from benchmarks.reporting import report  # noqa: E402
from benchmarks.watched_server import WatchedServer  # noqa: E402


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", type=int, nargs="+", default=[100, 1000, 10000], help="number of works of each row")
    parser.add_argument("--in-flight", type=int, default=64, help="most works in flight")
    parser.add_argument("--folder", help="keeps the logs of the processes (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(arguments.folder or name)
        pool = LocalPool(folder / "pool", "imagenet-shifts-vit-b32", str(folder / "store"), gpus=0)
        worker = None
        try:
            pool.start()
            if "PREFECT_API_DATABASE_CONNECTION_URL" not in pool.environment:
                raise SystemExit("PostgreSQL is not installed: on SQLite the figures would be of its locks")
            worker = _start_worker(pool, arguments.in_flight, folder / "worker.log")
            rows = []
            for count in arguments.works:
                rows.append(_row(pool, worker, count, arguments.in_flight, folder / f"works-{len(rows)}"))
                report("backpressure", rows, arguments)
        finally:
            if worker is not None:
                worker.terminate()
                worker.wait()
            pool.stop()


def _start_worker(pool: LocalPool, limit: int, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-m", "benchmarks.no_op_worker", "gpu", str(limit)]
        environment = {**pool.environment, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)


def _row(pool: LocalPool, worker: subprocess.Popen[bytes], count: int, in_flight: int, folder: Path) -> dict[str, Any]:
    """Run one parent to its end, and return a row of the table."""
    folder.mkdir()
    server = WatchedServer(pool, {"worker": worker.pid})
    with server, (folder.parent / f"parent-{count}.log").open("w") as log:
        parent = subprocess.run(
            [sys.executable, "-m", "benchmarks.no_op_parent", str(count), str(folder), str(in_flight)],
            cwd=ROOT, env={**pool.environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=log,
            text=True, check=False,
        )  # fmt: skip
    if parent.returncode:
        raise RuntimeError(f"the parent of {count} works ended with {parent.returncode}; see {log.name}")
    held = json.loads(parent.stdout.splitlines()[-1])
    found, again = done(folder)
    return {
        "works": count,
        "lost": count - len(found & set(range(count))),
        "twice": again,
        "runs": server.runs,
        "works/s": count / held["seconds"],
        "ms of processor: server": 1000 * server.processor["server"] / count,
        "database": 1000 * server.processor["database"] / count,
        "worker": 1000 * server.processor["worker"] / count,
        "parent": 1000 * held["processor"] / count,
        "server peak, MiB": server.peak_mib,
        "latency p50, ms": server.latency(0.5),
        "p99, ms": server.latency(0.99),
        "most in flight": server.most_in_flight,
        "database grew, MiB": server.grew_mib,
        "parent peak, MiB": held["peak"],
        "parent grew, MiB": held["after"] - held["before"],
        "parent's open tasks": held["tasks"],
    }


if __name__ == "__main__":
    main()
