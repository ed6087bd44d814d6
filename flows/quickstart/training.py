"""Training of small models, in a minute, on images that are drawn again for each epoch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from flows.quickstart.images import SIZE, Digits
from flows.quickstart.looks import Look, shift
from tasks.models.classifier import ImageClassifier
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD
from tasks.models.tower import TowerShape, build_tower
from tasks.progress import work

SEED = 1  # of the split, the weights, the looks and the order of images
SHAPE = TowerShape(image_size=SIZE, patch_size=8, width=96, layers=2, heads=3, mlp_ratio=4.0, output_dim=64)
_BATCH = 64
_LOGIT_SCALE = 20.0  # features have unit length: with unit rows in the head all predictions would be near uniform


def new_classifier(seed: int, classes: int = 10) -> ImageClassifier:
    """Return an untrained classifier, the same for the same seed."""
    torch.manual_seed(seed)
    classifier = ImageClassifier(build_tower(SHAPE), SHAPE.output_dim, classes)
    with torch.no_grad():
        classifier.head.weight.copy_(functional.normalize(classifier.head.weight, dim=-1) * _LOGIT_SCALE)
    return classifier


Epoch = Callable[[np.random.Generator], Digits]
"""Draws the images and labels of one epoch."""


def looking(digits: Digits, looks: Sequence[Look]) -> Epoch:
    """Return epochs in which each image has one of the given looks, drawn at random."""

    def drawn(random: np.random.Generator) -> Digits:
        shown = digits.images.copy()
        part = random.integers(0, len(looks), len(digits.labels))
        for i, look in enumerate(looks):
            shown[part == i] = shift(digits.images[part == i], look, random)
        return Digits(shown, digits.labels)

    return drawn


def train(
    classifier: ImageClassifier,
    epoch: Epoch,
    *,
    epochs: int,
    rate: float,
    seed: int,
    work_name: str,
    part: nn.Module | None = None,
) -> None:
    """Train a classifier in place, with AdamW and one cycle of the learning rate.

    Args:
        classifier: all of its parameters are frozen afterwards.
        epoch: draws the images and labels of an epoch.
        epochs: number of epochs.
        rate: the largest learning rate.
        seed: of the draws and of the order.
        work_name: the words that name the training in the display of progress.
        part: the module that is trained; None: all.
    """
    random = np.random.default_rng(seed)
    count = len(epoch(np.random.default_rng(seed)).labels)
    classifier.requires_grad_(part is None)
    if part is not None:
        part.requires_grad_(True)
    chosen = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(chosen, lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * -(-count // _BATCH))
    classifier.train()
    with _one_thread(), work(work_name, epochs * count, stage="train") as progress:
        for images, labels in (batch for _ in range(epochs) for batch in _batches(epoch(random), random)):
            loss = functional.cross_entropy(classifier(to_tensor(images)), torch.from_numpy(labels))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's function has no annotations
            optimizer.step()
            schedule.step()
            progress.advance(len(labels))
    classifier.eval().requires_grad_(False)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread inside the block: small batches gain nothing by more, and sums depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def to_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Return images as (n, 3, SIZE, SIZE) float32, normalised by CLIP's mean and standard deviation.

    Args:
        images: (n, SIZE, SIZE), from 0 to 255.
    """
    pixels = torch.from_numpy(images).float().div(255)[:, None].expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(values)[None, :, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (pixels - mean) / std


def _batches(digits: Digits, random: np.random.Generator) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    order = random.permutation(len(digits.labels))
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        yield digits.images[chosen], digits.labels[chosen]
