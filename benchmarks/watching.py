"""The cost of a look for new checkpoints where all are evaluated: of the first, which notes them, and of later ones.

The checkpoints are in a folder, and on S3 (a moto server in this process), where the number of requests decides the
time. They hold a few bytes each, and a stand-in describes them, so that neither hashing nor reading them counts.

    python -m benchmarks.watching --checkpoints 1000
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import tiny
from stub_checks import summary

from benchmarks.counted_s3 import Requests, counted_s3
from benchmarks.options import options
from benchmarks.reporting import report


def _evaluated(file: str, store: str) -> int:
    """Commit results without rows for every checkpoint, which a look takes for evaluated; return their number."""
    from flows.experiment.file import load_experiment
    from flows.planning.new_checkpoints import new_checkpoints
    from storage import keys
    from storage.schemas import RESULTS
    from storage.store import Store
    from storage.tables import TableWriter

    opened = Store(store)
    found = list(new_checkpoints(load_experiment(file), opened))
    for new in found:
        TableWriter(
            opened, keys.results(new.experiment.name, new.run_id), RESULTS, identity={"run": new.run_id}
        ).commit()
    return len(found)


def _look(file: str, store: str) -> float:
    from flows.experiment.file import load_experiment
    from flows.planning.new_checkpoints import new_checkpoints
    from storage.store import Store

    began = time.process_time()
    assert not list(new_checkpoints(load_experiment(file), Store(store))), "all were evaluated"
    return time.process_time() - began


def _on_s3(folder: Path, bucket: str) -> None:
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    for path in [folder / "base.pt", *folder.glob("finetuned/*.pt")]:
        client.upload_file(str(path), bucket, str(path.relative_to(folder)))


def _lists(made: Requests) -> int:
    return sum(count for (operation, _), count in made.items() if operation == "LIST")


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=3)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--checkpoints", type=int, default=1000)
    arguments = parser.parse_args()
    from flows.planning import new_checkpoints

    new_checkpoints.confined_check = summary
    rows = []
    with tempfile.TemporaryDirectory() as name, counted_s3("watching") as made:
        folder = Path(name)
        for seed in range(arguments.checkpoints):
            (folder / "finetuned").mkdir(exist_ok=True)
            (folder / "finetuned" / f"{seed}.pt").write_bytes(b"%d" % seed)
        for place in (str(folder), "s3://watching"):
            models = [{"name": "base", "checkpoint": f"{place}/base.pt"}]
            models += [{"name": "tuned", "checkpoint": f"{place}/finetuned/*"}]
            file = tiny.experiment(folder, samples=200, models=models)
            if place.startswith("s3"):
                _on_s3(folder, "watching")
            store = f"{place}/store"
            assert _evaluated(file, store) == arguments.checkpoints
            first = _look(file, store)
            made.clear()
            seconds = sorted(_look(file, store) for _ in range(arguments.runs))[arguments.runs // 2]
            row = {"checkpoints": "in a folder" if place == str(folder) else "on S3", "first look, CPU s": first}
            rows.append(
                {
                    **row,
                    "later look, CPU s": seconds,
                    "requests": made.total() / arguments.runs,
                    "of these LIST": _lists(made) / arguments.runs,
                }
            )
    report("watching", rows, arguments)


if __name__ == "__main__":
    main()
