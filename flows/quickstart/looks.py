"""Looks of an image: clean and nine distribution shifts for tests, and random ones for training."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from flows.quickstart.images import SIZE, Pixels

Look = Callable[[Pixels, np.random.Generator], Pixels]
"""Changes one image, at random."""
_COVERED = 8  # pixels, height and width of the square that hides a part of the image
_BORDER = 3  # pixels that the square leaves free


def _clean(image: Pixels, _random: np.random.Generator) -> Pixels:
    return image


def _inverted(image: Pixels, _random: np.random.Generator) -> Pixels:
    return 255 - image


def _occluded(image: Pixels, random: np.random.Generator) -> Pixels:
    covered = image.copy()
    top, left = random.integers(_BORDER, SIZE - _BORDER - _COVERED + 1, 2)
    covered[top : top + _COVERED, left : left + _COVERED] = random.integers(0, 256)
    return covered


def _rotated(least: float, most: float) -> Look:
    """Turn by an angle between two limits, in degrees, to either side."""

    def look(image: Pixels, random: np.random.Generator) -> Pixels:
        angle = _either_side(least, most, random)
        return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))

    return look


def _sheared(least: float, most: float) -> Look:
    """Slant to either side, by pixels to the side for each pixel of height."""

    def look(image: Pixels, random: np.random.Generator) -> Pixels:
        slant = _either_side(least, most, random)
        return _mapped(image, (1, slant, -slant * SIZE / 2, 0, 1, 0))

    return look


def _shrunk(least: float, most: float) -> Look:
    """Make the digit smaller, to a part of its size."""

    def look(image: Pixels, random: np.random.Generator) -> Pixels:
        scale = 1 / random.uniform(least, most)
        offset = SIZE / 2 * (1 - scale)
        return _mapped(image, (scale, 0, offset, 0, scale, offset))

    return look


def _noisy(least: float, most: float) -> Look:
    """Add normal noise of a standard deviation between two limits, in grey levels."""

    def look(image: Pixels, random: np.random.Generator) -> Pixels:
        noise = random.normal(0, random.uniform(least, most), image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    return look


def _blurred(least: float, most: float) -> Look:
    """Blur by a radius between two limits, in pixels."""

    def look(image: Pixels, random: np.random.Generator) -> Pixels:
        radius = float(random.uniform(least, most))
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))

    return look


def _either_side(least: float, most: float, random: np.random.Generator) -> float:
    return float(random.choice([-1, 1]) * random.uniform(least, most))


def _mapped(image: Pixels, matrix: tuple[float, ...]) -> Pixels:
    """Return an image whose pixels come from where an affine map of their places points to."""
    drawn = Image.fromarray(image).transform((SIZE, SIZE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(drawn)


LOOKS: Mapping[str, Look] = {
    "clean": _clean,
    "rotated-20": _rotated(20, 20),
    "rotated-40": _rotated(40, 40),
    "noise-50": _noisy(50, 50),
    "noise-100": _noisy(100, 100),
    "blurred": _blurred(2, 2),
    "sheared": _sheared(0.5, 0.5),
    "small": _shrunk(0.75, 0.75),
    "inverted": _inverted,
    "occluded": _occluded,
}
"""The looks of test sets by name: `clean` and nine shifts."""

BROAD: Sequence[Look] = (
    *[_rotated(15, 50)] * 2,
    _noisy(60, 120),
    _blurred(1.5, 2.7),
    *[_inverted] * 2,
    _occluded,
    _sheared(0.4, 0.7),
    _shrunk(0.5, 0.7),
)
"""The looks that the base of the robust fine-tuning is trained on: strong shifts, and no clean digit."""

MILD: Sequence[Look] = (*[_clean] * 3, _rotated(0, 10), _shrunk(0.85, 1))
"""The looks that the model is fine-tuned on: three of five digits clean, the others turned or shrunk a little."""


def shift(images: NDArray[np.uint8], look: Look, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return images (n, SIZE, SIZE) under a look.

    Args:
        images: (n, SIZE, SIZE).
        look: one of `LOOKS`, `BROAD` or `MILD`.
        random: decides angles, noise and places.
    """
    return np.stack([look(image, random) for image in images])
