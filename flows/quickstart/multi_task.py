"""The example of four tasks: questions about the digits; each has a head, and a tower that is tuned from one start."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from flows.quickstart.images import Digits, parts
from flows.quickstart.looks import LOOKS, shift
from flows.quickstart.training import SEED, Epoch, looking, new_classifier, train
from flows.quickstart.written_files import describe, write_images
from tasks.models.classifier import ImageClassifier

_CORRUPTIONS = ["clean", "noise-100", "blurred", "inverted", "occluded"]  # the classes of the task `corruption`
Draw = Callable[[Digits, np.random.Generator], Digits]
"""Makes a task's images and labels of digits."""


def _digit(shown: Digits, _random: np.random.Generator) -> Digits:
    return shown


def _parity(shown: Digits, _random: np.random.Generator) -> Digits:
    return Digits(shown.images, shown.labels % 2)


def _turn(shown: Digits, random: np.random.Generator) -> Digits:
    """Turn each image by zero to three right angles."""
    turns = random.integers(0, 4, len(shown.labels))
    return Digits(np.stack([np.rot90(image, k) for image, k in zip(shown.images, turns, strict=True)]), turns)


def _corruption(shown: Digits, random: np.random.Generator) -> Digits:
    """Give each image one of five looks."""
    looks = random.integers(0, len(_CORRUPTIONS), len(shown.labels))
    chosen = zip(shown.images, looks, strict=True)
    images = np.stack([shift(image[None], LOOKS[_CORRUPTIONS[k]], random)[0] for image, k in chosen])
    return Digits(images, looks)


_TASKS: dict[str, tuple[Draw, int]] = {
    "digit": (_digit, 10),
    "parity": (_parity, 2),
    "turn": (_turn, 4),
    "corruption": (_corruption, len(_CORRUPTIONS)),
}
"""How a task's images and labels are made, and its number of classes."""


def fill(folder: Path) -> None:
    """Write the start, and for each task its test images, its tower and its head."""
    digits = parts(SEED)
    training = digits.training
    start = new_classifier(SEED)
    train(start, looking(training, list(LOOKS.values())), epochs=20, rate=2e-3, seed=SEED, work_name="train start")
    _write(folder / "checkpoints" / "start.safetensors", _tower(start))
    for number, (name, (draw, classes)) in enumerate(_TASKS.items()):
        write_images(folder / "images" / name, draw(digits.test, np.random.default_rng([SEED, number])))
        tuned = new_classifier(SEED + number, classes)
        tuned.visual = copy.deepcopy(start.visual)
        passes = _passes(training, draw)
        # like a zero-shot head: made for the start, and fixed while the tower is tuned
        train(tuned, passes, epochs=6, rate=2e-2, seed=SEED, work_name=f"train {name}, the head", part=tuned.head)
        train(tuned, passes, epochs=10, rate=1e-3, seed=SEED, work_name=f"train {name}, the tower", part=tuned.visual)
        _write(folder / "checkpoints" / f"{name}.safetensors", _tower(tuned))
        _write(folder / "heads" / f"{name}.safetensors", dict(tuned.head.state_dict()))
    describe(folder / "checkpoints")


def _passes(training: Digits, draw: Draw) -> Epoch:
    return lambda random: draw(training, random)


def _tower(classifier: ImageClassifier) -> dict[str, torch.Tensor]:
    return {f"visual.{name}": tensor for name, tensor in classifier.visual.state_dict().items()}


def _write(path: Path, state: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
