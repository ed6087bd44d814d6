"""A whole DaWin run against three plain passes over the same files, as processes from their start to their end.

The run extracts two models' outputs, fits, and evaluates a merged model of each cluster, or of each sample; Prefect's
API, the store and the tables are part of it. The plain passes (`benchmarks.bare_passes`) run the two models and their
mean. Clusters need three passes as well, samples at least four: the merged model of each sample costs two. The start of
both, until the first pass begins, is apart. "Idle" is the share of the cores' time that no process used.

    python -m benchmarks.pipeline --runs 3
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import yaml

from benchmarks.bare_passes import BEGIN
from benchmarks.options import children_environment, options
from benchmarks.reporting import report, spread

CLASSES = 10
_FIRST_STAGE = "extract: "


class Size(NamedTuple):
    """A model and a number of images."""

    title: str
    arch: str | None
    """An open_clip model; None: a small tower for pictures of 32 pixels."""
    images: int
    batch: int
    layers: int = 4
    """Of the small tower."""


SIZES = (Size("small tower × 5,000 pictures", None, 5000, 250), Size("ViT-B/32 × 500 photographs", "ViT-B-32", 500, 50))


class Took(NamedTuple):
    """Seconds of a process."""

    start: float
    """Until the first pass began."""
    passes: float
    """From there to the end."""
    idle: float
    """The share of the cores' time after the start that was not used, from 0 to 1."""


def make_example(folder: Path, size: Size) -> None:
    """Write two models and images: crops of photographs, JPEG of 500 × 375 pixels, or PNG of 32 × 32 for the small one.

    Args:
        folder: gets `base.pt`, `tuned.pt`, `images`, and an experiment for each granularity.
        size: of the example.
    """
    import torch

    from tasks.models.classifier import ImageClassifier, features_of
    from tasks.models.tower import TowerShape, build_named_tower, build_tower

    shape = TowerShape(
        image_size=32, patch_size=4, width=192, layers=size.layers, heads=3, mlp_ratio=4.0, output_dim=128
    )
    torch.manual_seed(0)
    tower = build_named_tower(size.arch) if size.arch else build_tower(shape)
    features = features_of(build_named_tower(size.arch).to("meta")) if size.arch else shape.output_dim
    state = ImageClassifier(tower, features, CLASSES).state_dict()
    base = {f"classification_{name}" if name.startswith("head") else name: t for name, t in state.items()}
    torch.save(base, folder / "base.pt")
    near = {name: t + 1e-2 * t.std() * torch.randn_like(t) if t.dim() > 1 else t for name, t in base.items()}
    torch.save(near, folder / "tuned.pt")
    write_images(folder / "images", size)
    for granularity in ("clusters", "samples"):
        content = {
            "name": granularity,
            **({"architecture": size.arch} if size.arch else {}),
            "models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "tuned")],
            "datasets": [{"name": "images", "images": "images"}],
            "merge": {"granularity": [granularity], "clusters": 3},
            "baselines": ["individual"],
            "batch_size": size.batch,
        }
        (folder / f"{granularity}.yaml").write_text(yaml.safe_dump(content))


def write_images(folder: Path, size: Size) -> None:
    """Write the images of a size, in a folder for each class.

    Args:
        folder: receives the folders.
        size: of the example.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photographs, random = [Image.fromarray(one) for one in load_sample_images().images], np.random.default_rng(0)
    for number in range(size.images):
        photograph = photographs[number % len(photographs)]
        left, top = random.integers(0, photograph.width - 320), random.integers(0, photograph.height - 240)
        picture = photograph.crop((left, top, left + 320, top + 240))
        file = folder / f"class{number % CLASSES}" / f"{number:05d}.{'jpg' if size.arch else 'png'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.resize((500, 375) if size.arch else (32, 32)).save(file)


def took(command: Sequence[str], environment: Mapping[str, str], first: str) -> Took:
    """Run `python COMMAND` to its end.

    Args:
        command: after `python`.
        environment: variables besides those of this process.
        first: the beginning of the line that it prints when the first pass begins.

    Raises:
        RuntimeError: the process failed; the message holds its output.
    """
    cores, began = len(os.sched_getaffinity(0)), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert process.stdout is not None
    before, start, shown = resource.getrusage(resource.RUSAGE_CHILDREN), 0.0, ""
    for line in process.stdout:
        shown += line
        if not start and line.startswith(first):
            start = time.monotonic() - began
    if process.wait() or not start:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{shown}")
    passes, after = time.monotonic() - began - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(start, passes, max(0.0, 1 - used / (cores * (start + passes))))


def _measured(size: Size, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Return the rows of one size; the processes run in turn, so that a change of the machine's speed affects all."""
    seconds: dict[str, list[Took]] = {"three plain passes": [], "dawin, clusters": [], "dawin, samples": []}
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), f"{name}/store"
        make_example(folder, size)
        environment = {**children_environment(arguments), "PREFECT_HOME": f"{name}/prefect"}
        bare = ["-m", "benchmarks.bare_passes", name, "--batch", str(size.batch)]
        commands = {"three plain passes": (bare + (["--arch", size.arch] if size.arch else []), BEGIN)}
        for granularity in ("clusters", "samples"):
            run = ["-m", "flows.cli", "run", f"{name}/{granularity}.yaml", "--store", store]
            commands[f"dawin, {granularity}"] = (run, _FIRST_STAGE)
        for _ in range(arguments.runs):
            for title, (command, first) in commands.items():
                shutil.rmtree(store, ignore_errors=True)
                seconds[title].append(took(command, environment, first))
    plain = seconds["three plain passes"]
    return [
        {
            "size": size.title,
            "process": title,
            "start, s": spread([one.start for one in found]),
            "passes, s": spread([one.passes for one in found]),
            "× plain": median(one.passes / other.passes for one, other in zip(found, plain, strict=True)),
            "idle": median(one.idle for one in found),
        }
        for title, found in seconds.items()
    ]


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__)  # ignores --arch, --batch and --dtype: each size has its own
    parser.add_argument("--size", choices=("small", "large"), help="one of the two sizes (default: both)")
    arguments = parser.parse_args()
    chosen = SIZES if arguments.size is None else SIZES[:1] if arguments.size == "small" else SIZES[1:]
    report("pipeline", [row for size in chosen for row in _measured(size, arguments)], arguments)


if __name__ == "__main__":
    main()
