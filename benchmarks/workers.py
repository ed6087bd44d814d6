"""The cost of a pool: the seconds of a run in the tasks of its children, and all other seconds.

A server and one GPU worker run on this machine, so that children run one after the other. The experiment is small, so
that dispatch, the start of processes, imports and the API dominate.

    python -m benchmarks.workers
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "infra")]

import tiny  # noqa: E402
from local_pool import LocalPool  # noqa: E402

from benchmarks.options import options  # noqa: E402
from benchmarks.reporting import report  # noqa: E402


def _ask(pool: LocalPool, path: str, content: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{pool.url}/api{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=1)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--samples", type=int, default=2000, help="samples of each of two data sets")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings: dict[str, Any] = {"merge": {"granularity": ["clusters", "samples"], "clusters": 2}}
        file = tiny.experiment(folder, samples=arguments.samples, **settings)
        pool = LocalPool(folder / "pool", file, str(folder / "store"), gpus=1)
        try:
            pool.start()
            command = [sys.executable, "-m", "flows.cli", "run", file, "--store", str(folder / "store")]
            subprocess.run(command, env=pool.environment, check=True, capture_output=True)
            flows = {"name": {"any_": ["extract-outputs", "evaluate-merges"]}}
            children = _ask(pool, "/flow_runs/filter", {"flows": flows})
            tasks = _ask(pool, "/task_runs/filter", {"flows": flows})
            parent = _ask(pool, "/flow_runs/filter", {"flows": {"name": {"any_": ["run-experiment"]}}})[0]
        finally:
            pool.stop()
    computing = sum(task["total_run_time"] for task in tasks)
    began = min(datetime.fromisoformat(child["created"]) for child in children)
    ended = max(datetime.fromisoformat(child["end_time"]) for child in children)
    elapsed = (ended - began).total_seconds()
    row = {
        "run, s": parent["total_run_time"],
        "children": len(children),
        "first child sent to last ended, s": elapsed,
        "computing, s": computing,
        "overhead of each child, s": (elapsed - computing) / len(children),
    }
    report("pool", [row], arguments)


if __name__ == "__main__":
    main()
