"""The example of one task: robust fine-tuning in small, in the regime that dynamic merging is for.

The base, `zeroshot`, is trained on 120 digits under strong shifts: broad, but imprecise on clean digits. `finetuned`
continues from it on 680 others, clean or nearly so: precise, and less broad. Rendering, shifts, model and training
were chosen by two numbers alone, on the test part and for three seeds: the points of top-1 that the tuned model gains
on clean (at least 8) and those that it loses on the mean of the shifts (at most 5). No merged model was evaluated
meanwhile. `python -m benchmarks.quickstart_regime` prints the two numbers.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from flows.quickstart.images import Digits, Parts, parts
from flows.quickstart.looks import BROAD, LOOKS, MILD, shift
from flows.quickstart.training import SEED, looking, new_classifier, train
from flows.quickstart.written_files import describe, write_images
from tasks.models.classifier import ImageClassifier
from tasks.progress import work


class Pair(NamedTuple):
    """The two models of the example."""

    zeroshot: ImageClassifier
    finetuned: ImageClassifier


def shown_sets(test: Digits, seed: int) -> Mapping[str, Digits]:
    """Return the test digits under each look, by the look's name.

    Args:
        test: clean digits.
        seed: decides angles, noise and places.
    """
    shown = {}
    with work("render images", len(LOOKS) * len(test.labels)) as progress:
        for number, (name, look) in enumerate(LOOKS.items()):
            images = shift(test.images, look, np.random.default_rng([seed, number]))
            shown[name] = Digits(images, test.labels)
            progress.advance(len(test.labels))
    return shown


def trained_pair(digits: Parts, seed: int) -> Pair:
    """Return the base, trained on shifted digits, and the model that is fine-tuned from it on nearly clean ones.

    Args:
        digits: `pretraining` and `tuning` are used.
        seed: decides weights, looks and order.
    """
    base = new_classifier(seed)
    train(base, looking(digits.pretraining, BROAD), epochs=50, rate=2e-3, seed=seed, work_name="train zeroshot")
    tuned = copy.deepcopy(base)
    train(tuned, looking(digits.tuning, MILD), epochs=10, rate=5e-4, seed=seed, work_name="train finetuned")
    return Pair(base, tuned)


def fill(folder: Path) -> None:
    """Write the test images under each look, the held-out images, and the two checkpoints."""
    digits = parts(SEED)
    for look, shown in shown_sets(digits.test, SEED).items():
        write_images(folder / "images" / look, shown)
    write_images(folder / "held-out", digits.held_out)
    for name, model in trained_pair(digits, SEED)._asdict().items():
        _write_checkpoint(folder / "checkpoints" / f"{name}.pt", model)
    describe(folder / "checkpoints")


def _write_checkpoint(path: Path, classifier: ImageClassifier) -> None:
    """Save a classifier by the names of model-soups and WiSE-FT, as a user's own checkpoints would be."""
    renamed = {
        name.replace("head.", "classification_head.", 1) if name.startswith("head.") else f"model.{name}": tensor
        for name, tensor in classifier.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(renamed, path)
