"""Requests to S3 of a small run and of the same run again, by operation and by the folder of the store.

Two tiny models run on six data sets of 40 images with the default methods, each time in a new process. A server on
this machine (moto) counts.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from benchmarks.counted_s3 import Requests, counted_s3
from benchmarks.embedded_runs import make_example
from benchmarks.options import options
from benchmarks.reporting import report

_BUCKET = "bucket"
_STORE = f"s3://{_BUCKET}/store"


def _by_folder(made: Requests) -> Counter[tuple[str, str]]:
    counts = Counter[tuple[str, str]]()
    for (operation, key), count in made.items():
        counts[operation, key.removeprefix("store/").partition("/")[0]] += count
    return counts


def _with_default_methods(file: Path) -> Path:
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({name: content[name] for name in ("name", "models", "datasets")}))
    return file


def main() -> None:
    """Run twice and print the table."""
    arguments = options(__doc__).parse_args()
    counts = {}
    with tempfile.TemporaryDirectory() as name, counted_s3(_BUCKET) as made:
        file = _with_default_methods(make_example(Path(name) / "example"))
        home = {**os.environ, "PREFECT_HOME": f"{name}/prefect"}
        command = [sys.executable, "-m", "flows.cli", "run", str(file), "--store", _STORE, "-q"]
        for run in ("first run", "the same again"):
            made.clear()
            subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)
            counts[run] = _by_folder(made)
    asked = sorted({of for count in counts.values() for of in count})
    rows: list[dict[str, Any]] = [
        {"operation": operation, "folder": folder, **{run: counts[run][operation, folder] for run in counts}}
        for operation, folder in asked
    ]
    rows.append({"operation": "all", "folder": "", **{run: count.total() for run, count in counts.items()}})
    report("requests", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
