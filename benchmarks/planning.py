"""The time of planning an experiment of many models: its plan, its steps, its run id, and the plan that children read.

Checkpoints hold a few bytes and a stand-in describes them, and data sets are listed beforehand, so that neither hashing
nor listing of images counts. The store is empty, or holds every table; it is a folder, or on S3 (a moto server in this
process), where the number of requests decides the time.

    python -m benchmarks.planning --models 1000
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.counted_s3 import Requests, counted_s3
from benchmarks.options import options
from benchmarks.reporting import report
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoints import Checkpoints
from flows.planning.datasets import Datasets, Found
from flows.planning.plan import Plan
from flows.planning.written_plan import read_plan, write_plan
from storage import keys
from storage.manifests import Manifest, manifest_content, now
from storage.schemas import TABLES
from storage.spans import Span
from storage.store import Store
from tasks.references.datasets import DatasetReference
from tasks.references.tables import TableReference

DATASETS, CLASSES = 6, 10
T = TypeVar("T")


def summary(*_: Any) -> dict[str, Any]:
    """Return the summary that stands for the check of any checkpoint."""
    layout = {f"visual.blocks.{block}.{part}": "[64,64] float32" for block in range(12) for part in range(12)}
    architecture = {"architecture": None, "tower": "tiny", "assumed": None, "pixels": [], "described": {}}
    heads = {"classes": CLASSES, "features": 16, "text_features": None}
    return {"layout": layout, "image_size": 16, "completed": False, "uncovered": None, **architecture, **heads}


class Prepared(Datasets):
    """Data sets of a number of samples, listed beforehand.

    Args:
        samples: of each data set.
    """

    def __init__(self, samples: int) -> None:
        super().__init__(shard=8192)
        self._samples = samples

    def find(self, settings: Any, preprocessing: Any) -> Found:
        """Return a data set under the name of its settings."""
        if (settings, preprocessing) not in self._found:
            reference = DatasetReference(
                name=settings.name,
                url=settings.images,
                group=settings.scored_group,
                digest=f"{len(self._found):016x}",
                samples=self._samples,
                classes=CLASSES,
                limit=None,
                preprocessing=preprocessing,
                expected=(),
            )
            self._found[settings, preprocessing] = Found(reference, ())
        return self._found[settings, preprocessing]


def experiment_of(folder: Path, models: int) -> Experiment:
    """Write checkpoints of a few bytes and return their experiment."""
    for number in range(models):
        (folder / f"{number}.pt").write_bytes(b"%d" % number)
    return Experiment.model_validate(
        {
            "name": "many",
            "models": [{"name": f"m{number}", "checkpoint": str(folder / f"{number}.pt")} for number in range(models)],
            "datasets": [{"name": f"d{number}", "images": f"d{number}"} for number in range(DATASETS)],
            "merge": {"granularity": ["clusters", "samples"], "offset": False},
            "baselines": ["individual", "wise-ft", "weight-average", "output-ensemble"],
        }
    )


def commit_all(plan: Plan, put: Callable[[str, bytes], object]) -> int:
    """Write a stand-in of one byte for each object of a plan, and its manifest; return their number."""
    count = 0
    for dataset in plan.datasets:
        outputs = next(own for own in plan.outputs if own[0].dataset == dataset)
        fitted = [*plan.coefficients(dataset), *plan.mixtures(dataset), *plan.bins(dataset)]
        predicted = [*plan.judges(dataset), *plan.merges(dataset), *plan.ensembles(dataset)]
        count += sum(_commit(one, dataset.spans, put) for one in (*outputs, *fitted, *predicted))
        for mixture in plan.mixtures(dataset):
            count += _commit_one(mixture.components_key, mixture.identity, put)
    return count + _commit_one(plan.record.key, {}, put)


def _commit(reference: TableReference, spans: Iterable[Span], put: Callable[[str, bytes], object]) -> int:
    return sum(_commit_one(keys.samples(reference.prefix, span), reference.identity, put) for span in spans)


def _commit_one(key: str, identity: dict[str, Any], put: Callable[[str, bytes], object]) -> int:
    table = TABLES[key.partition("/")[0]]
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of b"x"
    manifest = Manifest(
        key=key,
        table=table.name,
        version=table.version,
        rows=1,
        bytes=1,
        sha256=digest,
        identity=identity,
        created_at=now(),
        run=None,
    )
    put(key, b"x")
    put(keys.manifest(key), manifest_content(manifest))
    return 1


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result of work, and the seconds of processor time that it took."""
    began = time.process_time()
    return work(), time.process_time() - began


def _total(row: dict[str, Any]) -> float:
    return float(row["all, s"])


def measure(
    experiment: Experiment, store: Store, checkpoints: Checkpoints, datasets: Datasets, *, made: Requests, leave: bool
) -> dict[str, Any]:
    """Return the seconds of each part of planning, and its requests; perhaps leave all manifests for the next one."""
    before = made.total()

    def questions() -> tuple[int, bool]:
        return plan.forward_passes.needed, plan.is_done

    plan, planned = timed(lambda: checked_plan(experiment, store, checkpoints=checkpoints, datasets=datasets))
    steps, looked = timed(plan.steps)
    (needed, is_done), asked = timed(questions)
    asked_requests = made.total() - before
    key, wrote = timed(lambda: write_plan(plan))
    found, read = timed(lambda: read_plan(key, store))
    assert found.cells == plan.cells, "a child reads the plan that its parent wrote"
    if leave:
        plan.leave_manifests()
    assert is_done == (needed == 0) == (not any(step.missing for step in steps))
    seconds = {"check and run id, s": planned, "steps, s": looked, "passes and done, s": asked}
    total = {"all, s": planned + looked + asked + wrote + read, "requests": asked_requests}
    return {**seconds, "write, s": wrote, "read, s": read, **total, "plan, MB": store.stat(key).size / 1e6}


def _forget() -> None:
    """Forget what this process knows of stores, as a new process does not know it."""
    from storage import known_manifests, verification

    known_manifests.forget_manifests()
    verification._verified.clear()


def _local_put(store: Store) -> Callable[[str, bytes], object]:
    root = Path(store.url.removeprefix("file://"))

    def put(key: str, content: bytes) -> None:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return put


def _s3_put(store: Store) -> Callable[[str, bytes], object]:
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=content)

    return put


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=3)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=8000, help="of each data set")
    parser.add_argument("--local", action="store_true", help="leave out S3")
    arguments = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory() as name,
        nullcontext(Requests()) if arguments.local else counted_s3("planning") as made,
    ):
        experiment = experiment_of(Path(name), arguments.models)
        places = [f"{name}/store", *([] if arguments.local else ["s3://planning/store"])]
        for place in places:
            store = Store(place)
            put = _local_put(store) if store.scheme == "file" else _s3_put(store)
            datasets = Prepared(arguments.samples)
            checkpoints = Checkpoints(store, None, remember=False, check=summary)
            plan = checked_plan(experiment, store, checkpoints=checkpoints, datasets=datasets, remember=False)
            where = "a folder" if store.scheme == "file" else "on S3"
            for number, state in enumerate(("nothing", "all, first look", "all")):
                if number == 1:
                    print(f"{where}: {commit_all(plan, put):,} objects")
                runs = []
                for _ in range(1 if number == 1 else arguments.runs):
                    _forget()
                    runs.append(measure(experiment, store, checkpoints, datasets, made=made, leave=number == 1))
                rows.append({"store": where, "holds": state, **sorted(runs, key=_total)[len(runs) // 2]})
    report("planning", rows, arguments)


if __name__ == "__main__":
    main()
