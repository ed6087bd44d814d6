"""Training the two small models: a broad one on all looks, and one tuned from it on clean digits alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from flows.preparation import CLIP_MEAN, CLIP_STD
from flows.quickstart.images import SIZE, Digits, shift
from tasks.models.classifier import ImageClassifier
from tasks.models.tower import TowerShape, build_tower
from tasks.progress import work

SHAPE = TowerShape(image_size=SIZE, patch_size=8, width=128, layers=2, heads=2, mlp_ratio=4.0, output_dim=64)
_BATCH = 128
_LOGIT_SCALE = 20.0  # features have unit length: a head of unit rows alone could not be sure of anything


def new_classifier(seed: int) -> ImageClassifier:
    """Return an untrained classifier of ten digits."""
    torch.manual_seed(seed)
    classifier = ImageClassifier(build_tower(SHAPE), SHAPE.output_dim, 10)
    with torch.no_grad():
        classifier.head.weight.copy_(functional.normalize(classifier.head.weight, dim=-1) * _LOGIT_SCALE)
    return classifier


def train(
    classifier: ImageClassifier, digits: Digits, looks: Sequence[str], *, epochs: int, rate: float, seed: int
) -> None:
    """Train in place: AdamW, one cycle of the learning rate, every epoch with looks drawn anew."""
    random = np.random.default_rng(seed)
    steps = epochs * -(-len(digits.labels) // _BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    classifier.train()
    with work(f"train on {', '.join(looks)}", epochs * len(digits.labels)) as progress:
        for images, labels in (batch for _ in range(epochs) for batch in _batches(digits, looks, random)):
            loss = functional.cross_entropy(classifier(to_tensor(images)), torch.from_numpy(labels))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
            schedule.step()
            progress.advance(len(labels))
    classifier.eval()


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Return (n, 3, SIZE, SIZE) float32, normalised as CLIP's preprocessing does with the images saved to files."""
    pixels = torch.from_numpy(images).float().div(255)[:, None].expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (pixels - mean) / std


def _batches(
    digits: Digits, looks: Sequence[str], random: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    order = random.permutation(len(digits.labels))
    shown = digits.images.copy()
    part = random.integers(0, len(looks), len(order))
    for i, look in enumerate(looks):
        shown[part == i] = shift(digits.images[part == i], look, random)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        yield shown[chosen], digits.labels[chosen]
