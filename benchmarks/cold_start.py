"""How long a command keeps its user waiting: `dawin --help`, a small experiment from nothing, and the same again.

The experiment evaluates two tiny models on six data sets of 40 images: imports, the start of Prefect's API with a new
database, and the orchestration of 50 steps are all there is to it. "To the table" is the time until the first line of
the results. Each run has a new store and a new PREFECT_HOME.

    python -m benchmarks.cold_start --runs 5
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.embedded_runs import make_example
from benchmarks.reporting import report, spread


class Waited(NamedTuple):
    """Seconds that one process took."""

    table: float
    """Until the results began."""
    end: float
    cpu: float
    """Of the process and its children."""


def waited(arguments: list[str], environment: Mapping[str, str]) -> Waited:
    """Run `dawin` to its end; raise `CalledProcessError` if it fails."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert process.stdout is not None
    table = 0.0
    for line in process.stdout:
        if not table and line.startswith("method "):
            table = time.monotonic() - began
    if status := process.wait():
        raise subprocess.CalledProcessError(status, arguments)
    end, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Waited(table, end, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    cold, again, helped = list[Waited](), list[Waited](), list[Waited]()
    with tempfile.TemporaryDirectory() as folder:
        experiment = make_example(Path(folder) / "example")
        for number in range(arguments.runs):
            home = {"PREFECT_HOME": f"{folder}/prefect{number}"}
            run = ["run", str(experiment), "--store", f"{folder}/store{number}"]
            helped.append(waited(["--help"], home))
            cold.append(waited(run, home))
            again.append(waited(run, home))
    rows = [
        {"command": "dawin --help, CPU", "seconds": spread([one.cpu for one in helped])},
        {"command": "dawin run, from nothing, to the table", "seconds": spread([one.table for one in cold])},
        {"command": "dawin run, from nothing, to the end", "seconds": spread([one.end for one in cold])},
        {"command": "dawin run, from nothing, CPU", "seconds": spread([one.cpu for one in cold])},
        {"command": "dawin run, again, to the end", "seconds": spread([one.end for one in again])},
    ]
    report("cold_start", rows, arguments)


if __name__ == "__main__":
    main()
