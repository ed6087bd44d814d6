"""Handwritten digits (UCI, shipped with scikit-learn) as images, unchanged and under five distribution shifts."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIZE = 32  # pixels, height and width
Pixels = NDArray[np.uint8]
"""One image (SIZE, SIZE), from 0 (black) to 255 (white)."""
Look = Callable[[Pixels, np.random.Generator], Pixels]
"""Changes one image, at random."""


class Digits(NamedTuple):
    """Images with their labels."""

    images: NDArray[np.uint8]
    """(n, SIZE, SIZE)"""
    labels: NDArray[np.int64]
    """(n,)"""


def digits(seed: int) -> tuple[Digits, Digits]:
    """Return the training and test parts (three quarters and a quarter), stratified by digit."""
    source = load_digits()
    images = np.stack([_render(image) for image in source.images])
    train, test, train_labels, test_labels = train_test_split(
        images, source.target, test_size=0.25, random_state=seed, stratify=source.target
    )
    return Digits(train, train_labels), Digits(test, test_labels)


def _render(image: NDArray[np.float64]) -> Pixels:
    """Enlarge an 8 × 8 image of 17 grey levels, and add a margin."""
    small = Image.fromarray((image * (255 / 16)).astype(np.uint8))
    canvas = Image.new("L", (SIZE, SIZE))
    canvas.paste(small.resize((SIZE - 4, SIZE - 4), Image.Resampling.BICUBIC), (2, 2))
    return np.asarray(canvas)


def _clean(image: Pixels, _random: np.random.Generator) -> Pixels:
    return image


def _rotated(image: Pixels, random: np.random.Generator) -> Pixels:
    angle = float(random.choice([-1, 1]) * random.uniform(25, 60))
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))


def _noisy(image: Pixels, random: np.random.Generator) -> Pixels:
    return np.clip(image + random.normal(0, 80, image.shape), 0, 255).astype(np.uint8)


def _blurred(image: Pixels, random: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(float(random.uniform(2.0, 3.5)))))


def _inverted(image: Pixels, _random: np.random.Generator) -> Pixels:
    return 255 - image


def _occluded(image: Pixels, random: np.random.Generator) -> Pixels:
    covered = image.copy()
    top, left = random.integers(4, SIZE - 16, 2)
    covered[top : top + 12, left : left + 12] = random.integers(0, 256)
    return covered


LOOKS: Mapping[str, Look] = {
    "clean": _clean,
    "rotated": _rotated,
    "noisy": _noisy,
    "blurred": _blurred,
    "inverted": _inverted,
    "occluded": _occluded,
}
"""The looks by name: `clean` and the five shifts."""


def shift(images: NDArray[np.uint8], look: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return images (n, SIZE, SIZE) under a look.

    Args:
        images: (n, SIZE, SIZE).
        look: a key of `LOOKS`.
        random: decides angles, noise and places.
    """
    return np.stack([LOOKS[look](image, random) for image in images])
