"""Tiny models and data sets in the formats that users have, made in a moment."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from tasks.models.classifier import ImageClassifier
from tasks.models.tower import TowerShape, build_tower

SHAPE = TowerShape(image_size=16, patch_size=8, width=64, layers=1, heads=1, mlp_ratio=2.0, output_dim=16)
CLASSES = 3


def classifier(seed, *, classes=CLASSES, shape=SHAPE):
    """A random classifier whose predictions vary with the image."""
    torch.manual_seed(seed)
    made = ImageClassifier(build_tower(shape), shape.output_dim, classes)
    with torch.no_grad():
        made.head.weight.mul_(20)
    return made.eval().requires_grad_(False)


def soup_state(seed, **options):
    """A state dict of the model-soups family, with remains of a text tower."""
    state = {}
    for name, tensor in classifier(seed, **options).state_dict().items():
        state[name.replace("head", "classification_head") if name.startswith("head") else f"model.{name}"] = tensor
    return {**state, "model.logit_scale": torch.tensor(4.6), "model.positional_embedding": torch.zeros(7, 4)}


def checkpoint(path, seed, **options):
    """Save a random classifier as a checkpoint of the model-soups family; return its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(soup_state(seed, **options), path)
    return str(path)


def image_folder(path, samples, seed, *, classes=CLASSES, size=20):
    """Save random images, in a directory for each class; return the path."""
    random = np.random.default_rng(seed)
    for i in range(samples):
        file = Path(path) / f"class{i % classes}" / f"{i:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (size, size + 4, 3), dtype=np.uint8)).save(file)
    return str(path)


def describe(folder, **vision):
    """Write open_clip's description beside checkpoints; `vision` overrides settings of the tiny tower."""
    configuration = SHAPE.configuration
    settings = {**configuration["vision_cfg"], **vision}
    content = {"model_cfg": {**configuration, "vision_cfg": settings}}
    (Path(folder) / "open_clip_config.json").write_text(json.dumps(content))


def experiment(folder, *, samples=30, **settings):
    """Write two models, two data sets and an experiment file; return the file's path."""
    folder = Path(folder)
    content = {
        "name": "tiny",
        "models": [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned")],
        "datasets": [
            {"name": "one", "images": "one", "group": "id"},
            {"name": "two", "images": "two", "group": "ood"},
        ],
        "merge": {"granularity": ["clusters", "samples"], "clusters": 2},
        "baselines": ["individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle"],
        "batch_size": 16,
        **settings,
    }
    checkpoint(folder / "base.pt", 1)
    checkpoint(folder / "tuned.pt", 2)
    image_folder(folder / "one", samples, 3)
    image_folder(folder / "two", samples, 4)
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)
