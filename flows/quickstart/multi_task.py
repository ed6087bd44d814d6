"""The example of many tasks: four questions about the digits, a tower tuned on each from one start, a head for each."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import yaml

from flows.quickstart.example import SEED, begin, describe, write_images
from flows.quickstart.images import LOOKS, Digits, digits, shift
from flows.quickstart.training import Epoch, looking, new_classifier, train
from tasks.models.classifier import ImageClassifier

_LOOKS = ["clean", "noisy", "blurred", "inverted", "occluded"]  # what the question after the corruption tells apart
Draw = Callable[[Digits, np.random.Generator], Digits]


def _digit(shown: Digits, _random: np.random.Generator) -> Digits:
    return shown


def _parity(shown: Digits, _random: np.random.Generator) -> Digits:
    return Digits(shown.images, shown.labels % 2)


def _turn(shown: Digits, random: np.random.Generator) -> Digits:
    """Turn each image by none, one, two or three right angles."""
    turns = random.integers(0, 4, len(shown.labels))
    return Digits(np.stack([np.rot90(image, k) for image, k in zip(shown.images, turns, strict=True)]), turns)


def _corruption(shown: Digits, random: np.random.Generator) -> Digits:
    """Give each image one of five looks."""
    looks = random.integers(0, len(_LOOKS), len(shown.labels))
    images = np.stack([shift(image[None], _LOOKS[k], random)[0] for image, k in zip(shown.images, looks, strict=True)])
    return Digits(images, looks)


TASKS: dict[str, tuple[Draw, int]] = {
    "digit": (_digit, 10),
    "parity": (_parity, 2),
    "turn": (_turn, 4),
    "corruption": (_corruption, len(_LOOKS)),
}
"""From digits to images and labels of a task, and how many classes it has."""

EXPERIMENT = {
    "name": "digit-tasks",
    "models": [{"name": n, "checkpoint": f"checkpoints/{n}.safetensors"} for n in ("start", *TASKS)],
    "heads": {name: f"heads/{name}.safetensors" for name in TASKS},
    "datasets": [{"name": name, "images": f"images/{name}", "group": "tasks"} for name in TASKS],
    "merge": {
        "kind": "task-vectors",
        "granularity": ["clusters", "bins", "samples"],
        "clusters": 4,
        "bins": 16,
        "scale": 0.3,
        "held_out": "digit",
    },
    "baselines": [
        "individual", "weight-average", "uniform-soup", "greedy-soup", "model-stock", "task-arithmetic", "ties/0.30",
        "ties/1.00", "tsv-merge", "iso-c", "adamerging", "output-ensemble", "classifier-selection", "random/uniform",
        "oracle",
    ],
}  # fmt: skip


def is_built(folder: Path) -> bool:
    """Tell whether the example is complete: its experiment file is written last."""
    return (folder / "digit-tasks.yaml").is_file()


def build_tasks(folder: Path) -> None:
    """Render the images, train the start and a tower a task, write the experiment file."""
    begin(folder)
    training, test = digits(SEED)
    start = new_classifier(SEED)
    train(start, looking(training, list(LOOKS)), epochs=20, rate=2e-3, seed=SEED, what="all looks")
    _write(folder / "checkpoints" / "start.safetensors", _tower(start))
    for number, (name, (draw, classes)) in enumerate(TASKS.items()):
        write_images(folder / "images" / name, draw(test, np.random.default_rng([SEED, number])))
        tuned = new_classifier(SEED + number, classes)
        tuned.visual = copy.deepcopy(start.visual)
        passes = _passes(training, draw)
        # as a zero-shot head would be: made for the start, and fixed when the tower is tuned
        train(tuned, passes, epochs=6, rate=2e-2, seed=SEED, what=f"{name}, the head", only=tuned.head)
        train(tuned, passes, epochs=10, rate=1e-3, seed=SEED, what=f"{name}, the tower", only=tuned.visual)
        _write(folder / "checkpoints" / f"{name}.safetensors", _tower(tuned))
        _write(folder / "heads" / f"{name}.safetensors", dict(tuned.head.state_dict()))
    describe(folder / "checkpoints")
    (folder / "digit-tasks.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))


def _passes(training: Digits, draw: Draw) -> Epoch:
    return lambda random: draw(training, random)


def _tower(classifier: ImageClassifier) -> dict[str, torch.Tensor]:
    return {f"visual.{name}": tensor for name, tensor in classifier.visual.state_dict().items()}


def _write(path: Path, state: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
