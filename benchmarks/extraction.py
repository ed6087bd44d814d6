"""The cost of the extraction engine over bare forward passes, and the overlap of decoding and computing.

The first table uses decoded batches in memory; its limit is the forward loops of the two models. The second uses JPEG
files, with one thread that computes and one process that decodes; its limit is the slower of the two alone.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.options import options, settle
from benchmarks.reporting import report, spread


def _dataset(folder: Path, samples: int) -> None:
    """Write JPEG files of the size of photographs in ten classes; many files share a picture."""
    from PIL import Image

    random = np.random.default_rng(0)
    contents = []
    for _ in range(20):
        coarse = Image.fromarray(random.integers(0, 256, (38, 50, 3), dtype=np.uint8))
        coarse.resize((500, 375)).save(folder / "picture.jpg", quality=90)
        contents.append((folder / "picture.jpg").read_bytes())
    for i in range(samples):
        path = folder / "images" / str(i % 10) / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[i % len(contents)])


def _experiment(folder: Path, arguments: argparse.Namespace) -> Any:
    import torch

    from benchmarks.models import classifiers
    from flows.experiment.file import parse_experiment

    _, states = classifiers(arguments.arch, 2, "cpu")
    names = ("base", "tuned")
    for name, state in zip(names, states, strict=True):
        head = {f"classification_{k}": t for k, t in state.items() if k.startswith("head.")}
        torch.save(
            {**{k: t for k, t in state.items() if k.startswith("visual.")}, **_first_ten(head)}, folder / f"{name}.pt"
        )
    content = {
        "name": "extraction",
        "architecture": arguments.arch,
        "models": [{"name": name, "checkpoint": str(folder / f"{name}.pt")} for name in names],
        "datasets": [{"name": "images", "images": str(folder / "images")}],
        "batch_size": arguments.batch,
        "precision": arguments.dtype,
        "workers": 1,
    }
    return parse_experiment(content, "extraction")


def _first_ten(head: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor[:10].clone() for name, tensor in head.items()}


def _engine(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return rows that compare the engine with bare loops on the same decoded batches."""
    import torch

    from benchmarks.models import classifiers, in_turn, preprocessing_of
    from storage.spans import Span
    from storage.store import Store
    from tasks.datasets.loading import Batch
    from tasks.datasets.transform import normalized
    from tasks.streaming.fill import fill
    from tasks.streaming.inference import DTYPES, Inference
    from tasks.streaming.output_sinks import logits_sink

    model, states = classifiers(arguments.arch, 2, arguments.device)
    second, _ = classifiers(arguments.arch, 1, arguments.device)
    second.load_state_dict(states[1])
    settings = preprocessing_of(model)
    size, count = settings.size, arguments.samples
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, device=arguments.device)
    prepared = normalized(images, settings).split(arguments.batch)
    labels = np.random.default_rng(0).integers(0, 10, count).astype(np.int32)
    dtype = DTYPES[arguments.dtype]

    def bare() -> None:
        with torch.inference_mode(), torch.autocast(arguments.device, dtype=dtype, enabled=arguments.dtype != "fp32"):
            for each in (model, second):
                for batch in prepared:
                    each(batch)

    def engine() -> None:
        inference = Inference(settings, arguments.dtype, arguments.batch)
        with tempfile.TemporaryDirectory() as folder:
            sinks = [
                logits_sink(f"outputs/{i}", {"model": i}, each, inference) for i, each in enumerate((model, second))
            ]
            index = np.arange(count)
            pieces = [slice(i, i + arguments.batch) for i in range(0, count, arguments.batch)]
            batches = [Batch(Span(0, count), index[p], labels[p], images[p]) for p in pieces]
            fill(Store(folder), sinks, [Span(0, count)], lambda _: iter(batches), description="benchmark")

    seconds = in_turn({"two bare forward loops": bare, "extraction of two models": engine}, arguments)
    return _rows(seconds, count, "two bare forward loops", "× bare")


def _with_decoding(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return rows that compare an extraction from files with decoding alone and computing alone."""
    import shutil

    import torch

    from benchmarks.models import in_turn
    from flows.planning.check import checked_plan
    from storage.store import Store
    from tasks.extraction import extract
    from tasks.models.classifier import build_classifier
    from tasks.opening.load_models import load_state
    from tasks.streaming.images import Images
    from tasks.streaming.inference import Inference

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _dataset(folder, arguments.files)
        experiment = _experiment(folder, arguments)
        outputs = checked_plan(experiment, Store(str(folder / "store"))).outputs[0]
        dataset = outputs[0].dataset
        opened = Images(dataset, experiment.reading, arguments.device)
        models = [
            build_classifier(load_state(o, Store(f"{folder}/store")), o.model.url, arguments.arch, arguments.device)
            for o in outputs
        ]
        inference = Inference(dataset.preprocessing, arguments.dtype, arguments.batch)
        one = next(iter(opened.batches(dataset.spans[:1]))).images

        def decode() -> None:
            for _ in opened.batches(dataset.spans):
                pass

        def compute() -> None:
            for _ in range(0, arguments.files, len(one)):
                for model in models:
                    inference.logits(model, one)

        def both() -> None:
            shutil.rmtree(folder / "store", ignore_errors=True)
            extract.fn(outputs, Store(str(folder / "store")), reading=experiment.reading)

        seconds = in_turn({"decode alone": decode, "compute alone": compute, "extraction": both}, arguments)
    slower = max(("decode alone", "compute alone"), key=lambda name: median(seconds[name]))
    return _rows(seconds, arguments.files, slower, f"× {slower}")


def _rows(seconds: Mapping[str, list[float]], images: int, limit: str, title: str) -> list[dict[str, Any]]:
    """Return a row for each pass over images; its column `title` has the ratio to the pass that is the limit."""
    from benchmarks.models import ratio

    return [
        {"pass": name, "images/s": images / median(v), "s": spread(v), title: ratio(v, seconds[limit])}
        for name, v in seconds.items()
    ]


def main() -> None:
    """Measure and print the two tables."""
    parser = options(__doc__, batch=32)
    parser.add_argument("--samples", type=int, default=128, help="decoded images in memory")
    parser.add_argument("--files", type=int, default=2048, help="JPEG files; 0 omits the second table")
    arguments = parser.parse_args()
    settle(arguments)
    if arguments.samples:
        report("extraction", _engine(arguments), arguments)
    if arguments.files:
        print()
        report("extraction_decoding", _with_decoding(arguments), arguments)


if __name__ == "__main__":
    sys.exit(main())
