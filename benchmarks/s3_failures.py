"""Seconds until a command gives a store up that fails for good, by the kind of failure: a minute is the limit.

A proxy on this machine refuses connections, answers 503 always, takes requests and never answers, or answers 403. Each
command is a process of its own, one after the other; its exit status has to be 2 and its message one line.

    python -m benchmarks.s3_failures
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from faulty_s3 import PERMANENT, FaultyS3

from benchmarks.counted_s3 import counted_s3
from benchmarks.embedded_runs import make_example
from benchmarks.options import options
from benchmarks.reporting import report

_STORE = "s3://failing/store"


def main() -> None:
    """Measure and print the table."""
    arguments = options(__doc__).parse_args()  # ignores all options
    rows = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as name, counted_s3("failing"):
        file = make_example(Path(name) / "example")
        endpoint = os.environ["AWS_ENDPOINT_URL"]
        commands = {
            "run": ["run", str(file)],
            "plan": ["plan", str(file)],
            "results": ["results"],
            "leaderboard": ["leaderboard"],
            "store verify": ["store", "verify"],
        }
        for title, words in commands.items():
            row: dict[str, Any] = {"command": title}
            for kind in PERMANENT:
                proxy = FaultyS3(endpoint)
                proxy.fail(kind)
                with proxy:
                    row[f"{kind}, s"] = _seconds(words, {"AWS_ENDPOINT_URL": proxy.url, "PREFECT_HOME": f"{name}/home"})
            rows.append(row)
    report("s3_failures", rows, arguments)


def _seconds(words: list[str], variables: dict[str, str]) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "flows.cli", *words, "--store", _STORE]
    ended = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    return time.monotonic() - began


if __name__ == "__main__":
    main()
