"""Preprocessing: identical to open_clip's, with ObjectNet's border cropped first."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import cropping, normalized

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_is_open_clips_bit_for_bit(mode, interpolation):
    """For every mode of an image that Pillow opens."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (37, 23, 3), dtype=np.uint8)).convert(mode)
    settings = Preprocessing(size=16, mean=MEAN, std=STD, interpolation=interpolation)
    reference = open_clip.image_transform(16, is_train=False, mean=MEAN, std=STD, interpolation=interpolation)
    assert torch.equal(normalized(cropping(settings)(image)[None], settings)[0], reference(image))


def test_objectnets_border_is_cropped_before_resizing():
    """Of two red pixels on each side, resizing blends none into the image."""
    framed = np.zeros((20, 30, 3), np.uint8)
    framed[..., 0] = 255
    framed[2:-2, 2:-2] = (0, 255, 0)
    settings = Preprocessing(size=8, mean=MEAN, std=STD, interpolation="bicubic")
    bordered = Preprocessing(**{**vars(settings), "border": 2})
    assert cropping(bordered)(Image.fromarray(framed))[0].max() == 0
    assert cropping(settings)(Image.fromarray(framed))[0].max() > 0
