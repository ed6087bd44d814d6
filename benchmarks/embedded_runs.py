"""Pauses of small runs with the embedded Prefect API: many `dawin run` processes on one `PREFECT_HOME`.

Each run evaluates two tiny models on six data sets of 40 images in a store of its own; every line of its output is an
event. The table has the longest pause between two events of a run, the tracebacks, and the runs that the database holds
as Running at the end. The start (imports, the API) and the end of the process are separate rows.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image

from benchmarks.reporting import report, spread

DATASETS = 6
IMAGES = 40
CLASSES = 3
_LONGEST_PAUSE = 5.0  # seconds between two events of a run; more is a fault
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Run(NamedTuple):
    """The events of one process."""

    number: int
    status: int
    start: float
    """Seconds to the first event."""
    pause: float
    """Seconds of the longest pause between two events."""
    before: str
    """The event before that pause."""
    end: float
    """Seconds from the last event to the end of the process."""
    tracebacks: int
    shown: str

    @property
    def fault(self) -> str:
        """Its faults; empty if it has none."""
        faults = [f"exit status {self.status}"] if self.status else []
        faults += [f"{self.pause:.1f} s after {self.before!r}"] if self.pause > _LONGEST_PAUSE else []
        return ", ".join(faults + ([f"{self.tracebacks} tracebacks"] if self.tracebacks else []))


def make_example(folder: Path) -> Path:
    """Write two tiny models, the data sets and an experiment file; return the path of that file."""
    import torch

    from tasks.models.classifier import ImageClassifier
    from tasks.models.tower import TowerShape, build_tower

    shape = TowerShape(image_size=16, patch_size=8, width=64, layers=1, heads=1, mlp_ratio=2.0, output_dim=16)
    folder.mkdir(parents=True)
    for seed, name in enumerate(("base", "tuned")):
        torch.manual_seed(seed)
        state = ImageClassifier(build_tower(shape), shape.output_dim, CLASSES).state_dict()
        renamed = {
            key.replace("head", "classification_head") if key.startswith("head") else f"model.{key}": tensor
            for key, tensor in state.items()
        }
        torch.save(renamed | {"model.logit_scale": torch.tensor(4.6)}, folder / f"{name}.pt")
    names = [f"set{number}" for number in range(DATASETS)]
    for name in names:
        _write_images(folder / name, names.index(name))
    content = {
        "name": "embedded",
        "models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "tuned")],
        "datasets": [{"name": name, "images": name, "group": "id"} for name in names],
        "merge": {"granularity": ["clusters"], "clusters": 2},
        "baselines": ["individual", "wise-ft", "output-ensemble"],
    }
    file = folder / "embedded.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def _write_images(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for number in range(IMAGES):
        file = folder / f"class{number % CLASSES}" / f"{number:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(file)


def run_once(number: int, experiment: Path, store: Path, environment: Mapping[str, str]) -> Run:
    """Run `dawin run` to its end and return the times of its lines."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "-v", str(experiment), "--store", str(store)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert process.stdout is not None
    events = [
        (time.monotonic(), line.rstrip()) for line in process.stdout
    ]  # until the API ends, which shares this output
    status, ended = process.wait(), time.monotonic()
    pauses = [(later - earlier, line) for (earlier, line), (later, _) in pairwise(events)]
    pause, before = max(pauses, default=(0.0, ""))
    shown = "\n".join(line for _, line in events)
    first, last = (events[0][0], events[-1][0]) if events else (ended, ended)
    return Run(number, status, first - began, pause, before, ended - last, shown.count("Traceback"), shown)


def unfinished(home: Path) -> int:
    """Return the number of flow runs and task runs without a final state in the database."""
    database = sqlite3.connect(home / "prefect.db")
    try:
        marks = ", ".join("?" * len(_FINAL))
        return sum(
            database.execute(f"SELECT count(*) FROM {table} WHERE state_type NOT IN ({marks})", _FINAL).fetchone()[0]
            for table in ("flow_run", "task_run")
        )
    finally:
        database.close()


def main() -> None:
    """Measure and print the table; exit with status 1 if a run paused too long, failed or is left as Running."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=1, help="concurrent processes on one PREFECT_HOME")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        experiment, home = make_example(Path(folder) / "example"), Path(folder) / "prefect"
        environment = {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1"}

        def once(number: int) -> Run:
            done = run_once(number, experiment, Path(folder) / f"store{number}", environment)
            print(f"run {number}: pause {done.pause:.2f} s, start {done.start:.1f} s {done.fault}", flush=True)
            return done

        with ThreadPoolExecutor(arguments.at_once) as at_once:
            runs = list(at_once.map(once, range(arguments.runs)))
        left = unfinished(home)
    sys.exit(_show(runs, left, arguments))


def _show(runs: list[Run], left: int, arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = [
        {"measure": "to the first event, s", "value": spread([run.start for run in runs])},
        {"measure": "longest pause of each run, s", "value": spread([run.pause for run in runs])},
        {"measure": "from the last event to the end, s", "value": spread([run.end for run in runs])},
        {
            "measure": f"runs with a pause above {_LONGEST_PAUSE:g} s",
            "value": sum(r.pause > _LONGEST_PAUSE for r in runs),
        },
        {"measure": "runs that failed", "value": sum(run.status != 0 for run in runs)},
        {"measure": "tracebacks", "value": sum(run.tracebacks for run in runs)},
        {"measure": "left running in the database", "value": left},
    ]
    faulty = [run for run in runs if run.fault]
    for run in faulty:
        print(f"\nrun {run.number}: {run.fault}\n{run.shown}\n")
    report(f"embedded_runs_{arguments.at_once}", rows, arguments)
    return int(bool(faulty or left))


if __name__ == "__main__":
    main()
