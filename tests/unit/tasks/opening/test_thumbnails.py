"""Small pictures of samples."""

import io

import numpy as np
import pytest
from PIL import Image

from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.thumbnails import SIDE, thumbnail

PREPROCESSING = Preprocessing(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


def encoded(size, kind, mode="RGB", **options):
    """An image of noise, encoded."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(small):
    return Image.open(io.BytesIO(small.content))


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 320), (96, 48)), ((30, 90), (30, 90)), ((28, 28), (84, 84)), ((1, 500), (1, 96))]
)
def test_pictures_keep_their_shape(size, expected):
    """A large picture shrinks to 96 pixels on its longer side; a small one grows by a whole factor."""
    small = thumbnail(encoded(size, "PNG"), PREPROCESSING)
    assert (small.width, small.height) == opened(small).size == expected


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "L"), ("JPEG", "CMYK"), ("GIF", "P")]
)
def test_every_kind_of_image_becomes_webp(kind, mode):
    """Palettes, grey levels, transparency and CMYK become colours that a browser shows."""
    small = thumbnail(encoded((200, 100), kind, mode), PREPROCESSING)
    assert (opened(small).format, opened(small).mode, small.width) == ("WEBP", "RGB", SIDE)


def test_pixels_in_arrays_need_no_decoding():
    """Formats that store pixels give the same picture."""
    small = thumbnail(np.zeros((28, 28), np.uint8), PREPROCESSING)
    assert np.asarray(opened(small)).max() <= 2


def test_a_picture_is_a_few_thousand_bytes():
    """Forty of the largest, of noise, stay below half a MiB."""
    assert 40 * len(thumbnail(encoded((2000, 2000), "JPEG"), PREPROCESSING).content) < 2**19


@pytest.mark.parametrize("stored", [b"", b"no image", OSError("gone"), encoded((64, 64), "PNG")[:80]])
def test_a_broken_image_is_refused(stored):
    """Bytes that are no image, and an image that could not be read, are an error that says so."""
    with pytest.raises(DatasetError, match="broken image"):
        thumbnail(stored, PREPROCESSING)


def test_a_bomb_is_refused_before_it_is_decoded():
    """An image that announces more pixels than are decoded is refused by its header."""
    header = bytearray(encoded((8, 8), "PNG"))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(DatasetError, match="broken image"):
        thumbnail(bytes(header), PREPROCESSING)
