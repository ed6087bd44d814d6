"""Small pictures of a few samples, for people: opened from the data set's own address, as long as it is unchanged."""

import io
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from storage.text import shown
from tasks.datasets.files.image_files import MOST_ENCODED_BYTES
from tasks.datasets.image_budget import FORMATS, check_encoded, check_opened, is_large, large_images
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.samples import StoredImage
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_again
from tasks.references.datasets import DatasetReference

SIDE = 96
"""Pixels of a picture's longer side at most."""
_QUALITY = 82  # of WebP, out of 100


class Thumbnail(NamedTuple):
    """A small picture."""

    content: bytes
    """WebP."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def thumbnails(dataset: DatasetReference, indices: Sequence[int]) -> dict[int, Thumbnail]:
    """Return small pictures of samples, by the number of the sample; a broken image is left out.

    Args:
        dataset: the data set, as a run listed it.
        indices: numbers of samples.

    Raises:
        DatasetError: the data set is damaged, or has changed since the run.
        ObjectMissing: nothing exists at its address any more.
        StorageError: its address cannot be read.
    """
    listed = list_again(dataset)
    if listed.digest != dataset.digest:
        raise DatasetError(f"{dataset.url}: the images have changed since the run")
    rows = [int(row) for row in listed.samples.rows[np.asarray(indices, np.intp)]] if indices else []
    found = {}
    for index, stored in zip(indices, listed.samples.images.read(rows), strict=True):
        try:
            found[index] = thumbnail(stored, dataset.preprocessing)
        except DatasetError:
            continue
    return found


def thumbnail(stored: StoredImage, preprocessing: Preprocessing) -> Thumbnail:
    """Return the small picture of an image; one of few pixels is enlarged by a whole factor.

    Args:
        stored: the image before it is decoded.
        preprocessing: of the data set, whose limits on sizes hold.

    Raises:
        DatasetError: the image is broken, or too large to be decoded.
    """
    try:
        if isinstance(stored, Exception):
            raise stored
        if isinstance(stored, np.ndarray):
            return _small(Image.fromarray(stored))
        if len(stored) > MOST_ENCODED_BYTES:
            raise ValueError(f"{len(stored):,} bytes, wanted at most {MOST_ENCODED_BYTES:,}")
        check_encoded(stored)
        with Image.open(io.BytesIO(stored), formats=FORMATS) as image:
            check_opened(image, preprocessing)
            with large_images if is_large(image) else nullcontext():
                image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size
                return _small(image)
    except Exception as error:  # a damaged image makes Pillow raise errors of any class
        raise DatasetError(f"broken image ({shown(str(error))})") from error


def _small(image: Image.Image) -> Thumbnail:
    turned = ImageOps.exif_transpose(image).convert("RGB")
    longer = max(turned.size)
    if longer > SIDE:
        turned.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    elif factor := SIDE // longer:
        turned = turned.resize((turned.width * factor, turned.height * factor), Image.Resampling.NEAREST)
    out = io.BytesIO()
    turned.save(out, "WEBP", quality=_QUALITY)
    return Thumbnail(out.getvalue(), *turned.size)
