"""Building the example: a folder with images, checkpoints and the experiment file, written whole or not at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from flows.errors import ExperimentError
from flows.quickstart.images import LOOKS, Digits, digits, shift
from flows.quickstart.training import SHAPE, looking, new_classifier, train
from tasks.models.classifier import ImageClassifier
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD, OPEN_CLIP

SEED = 1
_MARK = ".dawin-example"
EXPERIMENT = {
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


def is_built(folder: Path) -> bool:
    """Tell whether the example is complete: its experiment file is written last."""
    return (folder / "digits.yaml").is_file()


def build_example(folder: Path) -> None:
    """Render the images, train the two models, write the experiment file."""
    begin(folder)
    training, test = digits(SEED)
    _write_images(folder / "images", test)
    classifier = new_classifier(SEED)
    train(classifier, looking(training, list(LOOKS)), epochs=30, rate=2e-3, seed=SEED, what="all looks")
    _write_checkpoint(folder / "checkpoints" / "zeroshot.pt", classifier)
    train(classifier, looking(training, ["clean"]), epochs=12, rate=1e-3, seed=SEED + 1, what="clean digits")
    _write_checkpoint(folder / "checkpoints" / "finetuned.pt", classifier)
    describe(folder / "checkpoints")
    (folder / "digits.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))


def describe(checkpoints: Path) -> None:
    """Write the file beside the checkpoints that says what their tensors do not: heads, activation, preprocessing."""
    content = {"model_cfg": SHAPE.configuration, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}}
    (checkpoints / OPEN_CLIP).write_text(json.dumps(content, indent=1))


def _write_images(folder: Path, test: Digits) -> None:
    for number, look in enumerate(LOOKS):
        shown = shift(test.images, look, np.random.default_rng([SEED, number]))
        write_images(folder / look, Digits(shown, test.labels))


def begin(folder: Path) -> None:
    """Make an example's folder; one that was left by a run that was stopped makes way, somebody else's does not."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ExperimentError(f"{folder}: exists, and is no example that was begun here; move it away, or go elsewhere")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.write_text("an example of dawin's; its experiment file is written last\n")


def write_images(folder: Path, test: Digits) -> None:
    """Write an image folder, one directory per class."""
    for i, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def _write_checkpoint(path: Path, classifier: ImageClassifier) -> None:
    """Save in the layout of model-soups and WiSE-FT, as a user's own checkpoints would be."""
    renamed = {
        name.replace("head.", "classification_head.", 1) if name.startswith("head.") else f"model.{name}": tensor
        for name, tensor in classifier.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(renamed, path)
