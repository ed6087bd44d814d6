"""Images that cost much are refused before they are decoded, and large honest ones are decoded."""

import tracemalloc

import hostile_images
import numpy as np
import pytest
from reader_contract import SETTINGS

from tasks.datasets.decoding import Decoder
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError


class OneImage:
    """The images of a data set of one sample."""

    def __init__(self, stored):
        self.stored = stored

    def read(self, indices):
        return [self.stored for _ in indices]

    def name(self, index):
        return f"image {index}"


def decoded(stored, **changes):
    samples = Samples(OneImage(stored), np.arange(1), np.zeros(1, np.int32), ("x",))
    return Decoder(samples, Preprocessing(**{**vars(SETTINGS), **changes}))[0]


@pytest.mark.parametrize("case", hostile_images.IMAGES)
def test_images_that_cost_much_are_not_decoded(case):
    """The message says what the image would cost and what is accepted; Python allocates less than 64 MiB."""
    made, message = hostile_images.IMAGES[case]
    content = made()
    tracemalloc.start()
    found = decoded(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found, DatasetError)
    assert message in str(found), found
    assert str(found).startswith("image 0: broken image (")
    assert peak < 64 << 20


def test_images_within_the_limits_are_decoded():
    """36 megapixels, a panorama of 1,000 to 1, and a narrower one whose sides are both resized to the square."""
    assert decoded(hostile_images.png(6000, 6000)).shape == (3, 16, 16)
    assert decoded(hostile_images.png(10_000, 10)).shape == (3, 16, 16)
    assert decoded(hostile_images.png(1, 1_000_000), resize_mode="squash").shape == (3, 16, 16)


def test_arrays_have_the_same_limits():
    """A narrow image that comes as an array is refused as an encoded one is."""
    assert isinstance(decoded(np.zeros((1, 1_000_000), np.uint8)), DatasetError)
