"""Handwritten digits (UCI, shipped with scikit-learn) as images, and the parts that they are split into."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIZE = 24  # pixels, height and width
_MARGIN = 3  # pixels on each side
_TEST, _HELD_OUT, _PRETRAINING = 797, 200, 120  # images; the other 680 are for fine-tuning

Pixels = NDArray[np.uint8]
"""One image (SIZE, SIZE), from 0 (black) to 255 (white)."""


class Digits(NamedTuple):
    """Images with their labels."""

    images: NDArray[np.uint8]
    """(n, SIZE, SIZE)"""
    labels: NDArray[np.int64]
    """(n,)"""


class Parts(NamedTuple):
    """The 1,797 digits in four parts without a common image, each stratified by digit."""

    pretraining: Digits
    """Digits that a base is trained on."""
    tuning: Digits
    """Digits that a model is fine-tuned on."""
    held_out: Digits
    """Digits that temperatures are calibrated on."""
    test: Digits
    """Digits that methods are evaluated on."""

    @property
    def training(self) -> Digits:
        """The digits of pretraining and tuning together."""
        first, second = self.pretraining, self.tuning
        return Digits(np.concatenate([first.images, second.images]), np.concatenate([first.labels, second.labels]))


def parts(seed: int) -> Parts:
    """Return the digits, split at random into parts.

    Args:
        seed: decides which digit belongs to which part.
    """
    source = load_digits()
    rest = Digits(np.stack([_render(image) for image in source.images]), source.target)
    rest, test = _split(rest, _TEST, seed)
    rest, held_out = _split(rest, _HELD_OUT, seed)
    tuning, pretraining = _split(rest, _PRETRAINING, seed)
    return Parts(pretraining, tuning, held_out, test)


def _split(digits: Digits, count: int, seed: int) -> tuple[Digits, Digits]:
    """Return the digits without `count` of them, and those."""
    rest, chosen, rest_labels, chosen_labels = train_test_split(
        *digits, test_size=count, random_state=seed, stratify=digits.labels
    )
    return Digits(rest, rest_labels), Digits(chosen, chosen_labels)


def _render(image: NDArray[np.float64]) -> Pixels:
    """Enlarge an 8 × 8 image of 17 grey levels, and add a margin."""
    small = Image.fromarray((image * (255 / 16)).astype(np.uint8))
    canvas = Image.new("L", (SIZE, SIZE))
    side = SIZE - 2 * _MARGIN
    canvas.paste(small.resize((side, side), Image.Resampling.BICUBIC), (_MARGIN, _MARGIN))
    return np.asarray(canvas)
