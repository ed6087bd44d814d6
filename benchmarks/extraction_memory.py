"""Peak memory of the extraction of 1,000 and 20,000 images: it must not grow with the data set.

The program writes images and models (two random ViTs of width 192) into a temporary folder.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.children import run_child
from benchmarks.reporting import report


def _make(folder: Path, samples: int) -> None:
    """Write an image folder of small pictures in ten classes."""
    from PIL import Image

    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(50)]
    for i in range(samples):
        path = folder / str(i % 10) / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[i % len(pictures)].save(path, quality=80)


def _checkpoints(folder: Path) -> None:
    import torch

    from tasks.models.classifier import ImageClassifier
    from tasks.models.tower import TowerShape, build_tower

    shape = TowerShape(64, 16, 192, 2, 3, 4.0, 64)
    for seed, name in enumerate(("base", "tuned")):
        torch.manual_seed(seed)
        state = ImageClassifier(build_tower(shape), 64, 10).state_dict()
        torch.save(state, folder / f"{name}.pt")


def _extract(folder: Path, samples: int) -> None:
    from flows.experiment.file import parse_experiment
    from flows.planning.check import checked_plan
    from storage.store import Store
    from tasks.extraction import extract

    models = [{"name": n, "checkpoint": str(folder / f"{n}.pt")} for n in ("base", "tuned")]
    datasets = [{"name": "images", "images": str(folder / f"images-{samples}")}]
    experiment = parse_experiment(
        {"name": "memory", "batch_size": 128, "models": models, "datasets": datasets}, "memory"
    )
    plan = checked_plan(experiment, Store(str(folder / f"store-{samples}")))
    print(extract.fn(plan.outputs[0], plan.store, reading=experiment.reading))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 20_000])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        _extract(arguments.folder, arguments.samples[0])
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _checkpoints(folder)
        for samples in arguments.samples:
            _make(folder / f"images-{samples}", samples)
            own = ["-m", "benchmarks.extraction_memory", "--folder", name, "--samples", str(samples)]
            ended = run_child(own)
            rows.append({"images": samples, "s": ended.seconds, "peak MiB": ended.peak_mib})
    for row in rows:
        row["times the first"] = row["peak MiB"] / rows[0]["peak MiB"]
    report("extraction_memory", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
