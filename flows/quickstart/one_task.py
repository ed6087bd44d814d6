"""The example of one task: a base trained on digits under all looks, and a model fine-tuned from it on clean digits."""

from pathlib import Path

import numpy as np
import torch

from flows.quickstart.example import Example, write_images
from flows.quickstart.images import LOOKS, Digits, digits, shift
from flows.quickstart.training import SEED, looking, new_classifier, train
from tasks.models.classifier import ImageClassifier

_EXPERIMENT = {
    "name": "digits",
    "models": [
        {"name": "zeroshot", "checkpoint": "checkpoints/zeroshot.pt"},
        {"name": "finetuned", "checkpoint": "checkpoints/finetuned.pt"},
    ],
    "datasets": [
        {"name": look, "images": f"images/{look}", "group": "id" if look == "clean" else "ood"} for look in LOOKS
    ],
    "merge": {"kind": "interpolation", "granularity": ["clusters", "samples"], "clusters": 3},
    "baselines": ["individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle"],
}


def _fill(folder: Path) -> None:
    """Write the test images under each look, and the two checkpoints."""
    training, test = digits(SEED)
    for number, look in enumerate(LOOKS):
        shown = shift(test.images, look, np.random.default_rng([SEED, number]))
        write_images(folder / "images" / look, Digits(shown, test.labels))
    classifier = new_classifier(SEED)
    train(classifier, looking(training, list(LOOKS)), epochs=30, rate=2e-3, seed=SEED, subject="all looks")
    _write_checkpoint(folder / "checkpoints" / "zeroshot.pt", classifier)
    train(classifier, looking(training, ["clean"]), epochs=12, rate=1e-3, seed=SEED + 1, subject="clean digits")
    _write_checkpoint(folder / "checkpoints" / "finetuned.pt", classifier)


def _write_checkpoint(path: Path, classifier: ImageClassifier) -> None:
    """Save a classifier by the names of model-soups and WiSE-FT, as a user's own checkpoints would be."""
    renamed = {
        name.replace("head.", "classification_head.", 1) if name.startswith("head.") else f"model.{name}": tensor
        for name, tensor in classifier.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(renamed, path)


EXAMPLE = Example(Path("dawin-quickstart"), "two small models", _EXPERIMENT, _fill)
