"""The cost of `results`, `leaderboard` and `compare` in a store of many runs: CPU seconds, and requests to S3.

Rows are made by hand: no model runs. Each command runs in a process of its own, so that its imports are counted too; a
second figure leaves them out. The requests are counted on a moto server, with fewer runs, since they do not depend on
their number: two numbers of runs show that.

    python -m benchmarks.catalogue --results 10000
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from benchmarks.options import options
from benchmarks.reporting import report

EXPERIMENTS = 10
METHODS = [f"individual/{name}" for name in ("base", "tuned")] + [f"wise-ft/0.{i}0" for i in range(1, 9)]
METHODS += ["dawin/samples", "dawin/clusters-3", "dawin/bins-64", "ties/0.30", "uniform-soup"]
DATASETS = ["clean", "noisy", "rotated", "sketch"]
METRICS = ["top1", "top5", "nll", "ece"]
COMMANDS = {
    "results of one experiment": ["results", "experiment-3"],
    "results of all": ["results"],
    "leaderboard": ["leaderboard"],
    "leaderboard of one experiment": ["leaderboard", "experiment-3"],
    "leaderboard --json": ["leaderboard", "--json"],
    "leaderboard -o": ["leaderboard", "-o", "{page}"],
    "compare": ["compare", "experiment-3", "wise-ft/0.10", "wise-ft/0.20", "--dataset", "clean"],
}
_CHILD = """
import contextlib, sys, time
with contextlib.suppress(ImportError):
    import pandas  # which pyarrow loads where it is installed
import numpy, polars, pyarrow.parquet, rich.console, pydantic
import flows.cli.results, flows.cli.leaderboard, flows.cli.compare
import flows.reports.chosen_results, flows.reports.boards, flows.display.leaderboard_lines, flows.display.results_table
import flows.comparison.compare_methods, flows.pages.leaderboard_file, s3fs
from flows.cli import main
began = time.process_time()
status = main(sys.argv[1:])
print(f"{time.process_time() - began:.3f} {status}", file=sys.stderr)
"""


def _written(store: Any, runs: int) -> None:
    """Write the results of many runs, each with its manifest, without synchronising each file with the disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from many_runs import run_columns

    from storage import keys
    from storage.manifests import Manifest, manifest_content
    from storage.schemas import RESULTS

    for number in range(runs):
        experiment = f"experiment-{number % EXPERIMENTS}"
        key = keys.results(experiment, f"r{number:011x}")
        columns = run_columns(number, methods=METHODS, datasets=DATASETS, metrics=METRICS)
        settings = json.dumps({"name": experiment, "number": number, "filler": "x" * 1500})
        table = pa.table(columns | {"settings": [settings] * len(columns["method"])}, schema=RESULTS.arrow({}))
        sink = BytesIO()
        pq.write_table(table, sink, compression="zstd")
        content = sink.getvalue()
        places = [[m, d, f"predictions/dataset=d-{d}/id={number:04x}"] for m in METHODS for d in DATASETS]
        identity = {"experiment": experiment, "settings": {"logits": "fp32"}, "samples": places}
        manifest = Manifest(
            key=key,
            table="results",
            version=RESULTS.version,
            rows=table.num_rows,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            identity=identity,
            created_at=columns["created_at"][0].isoformat(),
            run=None,
        )
        for name, text in ((key, content), (keys.manifest(key), manifest_content(manifest))):
            if store.scheme == "file":
                path = Path(store.address(name).removeprefix("file://"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
            else:
                store.replace(name, text)


def _filled(url: str, runs: int) -> tuple[float, float]:
    """Fill a store; return the CPU seconds of building its catalogue, and of one further commit."""
    from many_runs import run_columns

    from storage import keys
    from storage.catalogue import commit_results, rebuild
    from storage.pointers import point_to_latest
    from storage.schemas import PREDICTIONS, RESULTS
    from storage.store import Store
    from storage.tables import TableWriter

    store = Store(url)
    _written(store, runs)
    for i in range(EXPERIMENTS):
        point_to_latest(store, f"experiment-{i}", f"r{runs - EXPERIMENTS + i:011x}")
    for number in range(runs - EXPERIMENTS, runs):  # what `compare` reads
        _predictions(store, number, PREDICTIONS)
    began = time.process_time()
    assert rebuild(store) == runs
    built = time.process_time() - began
    key = keys.results("experiment-0", "rffffffffffff")
    writer = TableWriter(store, key, RESULTS, identity={"experiment": "experiment-0"})
    writer.append(run_columns(0, methods=METHODS, datasets=DATASETS, metrics=METRICS))
    began = time.process_time()
    commit_results(store, writer)
    return built, time.process_time() - began


def _predictions(store: Any, number: int, schema: Any) -> None:
    import numpy as np

    from storage import keys
    from storage.schemas import SAMPLES
    from storage.tables import TableWriter

    drawn, samples = np.random.default_rng(number), 400
    for dataset in DATASETS:
        label = drawn.integers(0, 10, samples)
        own = keys.derived("predictions", f"d-{dataset}", f"{number:04x}")
        writer = TableWriter(store, keys.samples(own, (0, samples)), schema, identity={})
        right = drawn.random(samples) < 0.7
        writer.append(
            {
                "sample_index": np.arange(samples),
                "label": label,
                "prediction": np.where(right, label, (label + 1) % 10),
                "label_rank": np.where(right, 0, 1),
                "loss": drawn.random(samples),
                "entropy": drawn.random(samples),
                "confidence": drawn.random(samples),
                "sum_of_squares": drawn.random(samples),
            }
        )
        writer.commit()
        names = keys.samples(keys.derived("samples", f"d-{dataset}", "names"), (0, samples))
        if not store.exists(names):
            writer = TableWriter(store, names, SAMPLES, identity={})
            index = list(range(samples))
            named = [f"{i}.png" for i in index]
            writer.append({"sample_index": index, "name": named, "label": label, "label_name": [None] * samples})
            writer.commit()


def _asked(url: str, words: list[str], page: Path) -> tuple[float, float]:
    """Run a command in a process of its own; return the CPU seconds of the whole process, and without its imports."""
    filled = [word.format(page=page) for word in words]
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *filled, "--store", url], capture_output=True, text=True, check=False
    )
    after = os.times()
    seconds, status = done.stderr.split()[-2:]
    assert (done.returncode, status) == (0, "0"), done.stderr
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    return whole, float(seconds)


def _local(arguments: Any) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        url, page = f"{name}/store", Path(name) / "page.html"
        built, commit = _filled(url, arguments.results)
        count = len(METHODS) * len(DATASETS) * len(METRICS)
        print(f"{arguments.results:,} runs × {count} rows in {EXPERIMENTS} experiments")
        print(f"building the catalogue: {built:.1f} s of CPU; one further commit: {commit:.3f} s of CPU")
        for title, words in COMMANDS.items():
            _asked(url, words, page)  # fills the cache of the disk
            found = sorted((_asked(url, words, page) for _ in range(arguments.runs)), key=lambda one: one[1])
            whole, query = found[len(found) // 2]
            rows.append({"command": title, "query, CPU s": query, "whole command, CPU s": whole})
        print(f"the page of the leaderboard: {page.stat().st_size / 2**20:.1f} MiB")
    return rows


def _requests(arguments: Any) -> dict[str, list[int]]:
    """Return the requests of each command, for each number of runs on S3."""
    import contextlib
    import io

    from counted_requests import counted

    from benchmarks.counted_s3 import counted_s3
    from flows.cli import main

    found: dict[str, list[int]] = {title: [] for title in COMMANDS}
    with tempfile.TemporaryDirectory() as name, counted_s3("catalogue"):
        for runs in arguments.on_s3:
            url = f"s3://catalogue/{runs}"
            _filled(url, runs)
            for title, words in COMMANDS.items():
                filled = [word.format(page=Path(name) / "page.html") for word in words]
                with counted(url) as requests, contextlib.redirect_stdout(io.StringIO()):
                    assert main([*filled, "--store", url]) == 0
                found[title].append(requests.total)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=3)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--results", type=int, default=10_000, help="runs in the local store")
    parser.add_argument("--on-s3", type=int, nargs="*", default=[100, 400], help="runs in the stores on S3")
    parser.add_argument("--folder", type=Path, help="an existing folder for the local store (default: the system's)")
    arguments = parser.parse_args()
    rows = _local(arguments)
    counts = _requests(arguments)
    for row in rows:
        row |= {f"requests, {runs} runs": counts[row["command"]][i] for i, runs in enumerate(arguments.on_s3)}
    report("catalogue", rows, argparse.Namespace(**vars(arguments) | {"folder": None}))


if __name__ == "__main__":
    main()
