"""The cost of a child on a pool, for both types of worker: seconds of its slot, and of CPU, beside its computing.

A server, a worker of the type `warm-process` and one of the type `process` run on this machine, each with one slot. A
small experiment fills the store. Then the program sends the same child again and again: it opens the store, finds
everything there, and computes nothing. The types take turns. The children of a turn are all sent at once and run one
after the other, so that the time between the first one's start and the last one's end, divided by their number, is
what a child costs a worker, with the pause between two children. The first children of a worker are counted apart.

    python -m benchmarks.dispatch
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "infra")]

import tiny  # noqa: E402
from local_pool import LocalPool  # noqa: E402
from pools import ask, deployment, runs  # noqa: E402

from benchmarks.options import options  # noqa: E402
from benchmarks.reporting import report  # noqa: E402

_TYPES = {"process": "plain", "warm-process": "gpu"}  # and the pool of each
_TICKS = os.sysconf("SC_CLK_TCK")


def _cpu_seconds(session: int) -> float:
    """Return the CPU seconds of all processes of a session, and of their children that have ended."""
    total = 0
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += sum(map(int, fields[11:15]))
    return total / _TICKS


def _turn(pool: LocalPool, kind: str, count: int, parameters: dict[str, Any]) -> dict[str, float]:
    """Run some children on the worker of a type, and return their cost."""
    flow = deployment(pool, "extract-outputs/gpu")
    ask(pool, "PATCH", f"/deployments/{flow}", {"work_pool_name": _TYPES[kind]})
    worker = pool.processes["plain0" if kind == "process" else "gpu0"].pid
    server = pool.processes["server"].pid
    began = _cpu_seconds(worker), _cpu_seconds(server)
    tag = f"turn-{time.monotonic_ns()}"
    body = {"parameters": parameters, "tags": [tag], "state": {"type": "SCHEDULED"}}
    for _ in range(count):
        ask(pool, "POST", f"/deployments/{flow}/create_flow_run", body)
    while len(ended := runs(pool, state="COMPLETED", tag=tag)) < count:
        time.sleep(0.5)
        if bad := runs(pool, state="CRASHED", tag=tag) + runs(pool, state="FAILED", tag=tag):
            raise RuntimeError(f"{kind}: a child ended as {bad[0]['state_name']}: {bad[0]['state']}")
    time.sleep(1)  # processes that end take their CPU time along
    used = _cpu_seconds(worker) - began[0], _cpu_seconds(server) - began[1]
    slots = [_slot(pool, run) for run in ended]
    seconds = (max(end for _, end in slots) - min(start for start, _ in slots)).total_seconds()
    return {
        "seconds": seconds / count,
        "taken to ended": median((end - start).total_seconds() for start, end in slots),
        "worker": used[0] / count,
        "server": used[1] / count,
        "computing": median(run["total_run_time"] for run in ended),
    }


def _slot(pool: LocalPool, run: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when a worker took a run and when the run ended."""
    states = ask(pool, "GET", f"/flow_run_states/?flow_run_id={run['id']}")
    taken = min(state["timestamp"] for state in states if state["type"] == "PENDING")
    return datetime.fromisoformat(taken), datetime.fromisoformat(run["end_time"])


def _row(kind: str, turns: Sequence[dict[str, float]], count: int) -> dict[str, Any]:
    middle = {name: median(turn[name] for turn in turns) for name in turns[0]}
    return {
        "worker": kind,
        "children": count,
        "seconds a child": middle["seconds"],
        "taken to ended, s": middle["taken to ended"],
        "in state Running, s": middle["computing"],
        "CPU of worker and child, s": middle["worker"],
        "CPU of Prefect's server, s": middle["server"],
    }


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=3)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--children", type=int, default=10, help="children in a turn")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = tiny.experiment(folder, samples=6, merge={"granularity": ["samples"], "offset": False})
        pool = LocalPool(folder / "pool", file, str(folder / "store"), gpus=1)
        try:
            pool.start()
            command = [sys.executable, "-m", "flows.cli", "run", file, "--store", str(folder / "store")]
            subprocess.run(command, env=pool.environment, check=True, capture_output=True)
            parameters = runs(pool, "extract-outputs")[0]["parameters"]
            pool.create_pools("plain", kind="process")
            pool.start_worker("plain0", "plain", limit=1)
            first = {kind: _turn(pool, kind, 1, parameters) for kind in _TYPES}
            turns: dict[str, list[dict[str, float]]] = {kind: [] for kind in _TYPES}
            for _ in range(arguments.runs):
                for kind, measured in turns.items():
                    measured.append(_turn(pool, kind, arguments.children, parameters))
        finally:
            pool.stop()
    rows = [_row(f"{kind}, first", [first[kind]], 1) for kind in _TYPES]
    rows += [_row(kind, measured, arguments.runs * arguments.children) for kind, measured in turns.items()]
    plain, warm = rows[-2:]
    numbers = [name for name in warm if isinstance(warm[name], float)]
    rows.append({"worker": "ratio", "children": "", **{name: warm[name] / plain[name] for name in numbers}})
    report("dispatch", rows, arguments)


if __name__ == "__main__":
    main()
