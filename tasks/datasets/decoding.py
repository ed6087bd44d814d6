"""The decoder of a data set: images as stored become cropped tensors, in whichever process decodes them."""

import io
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset

from storage.text import shown
from tasks.datasets.files.image_files import MOST_ENCODED_BYTES, too_long
from tasks.datasets.image_budget import FORMATS, MOST_PIXELS, check_encoded, check_opened, is_large, large_images
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.samples import Samples, StoredImage, StoredImages
from tasks.datasets.transform import cropping
from tasks.errors import DatasetError

Decoded = torch.Tensor | DatasetError
"""An image (3, size, size), uint8, or the error that names a broken one."""


class Decoder(Dataset[Decoded]):
    """The decoded images of a data set, by sample.

    The error of a broken image is returned, not raised: a worker process would turn its message into a traceback.

    Args:
        samples: the samples.
        preprocessing: how the images are resized and cropped.
    """

    def __init__(self, samples: Samples, preprocessing: Preprocessing) -> None:
        self._images: StoredImages = samples.images
        self._rows: NDArray[np.int64] = samples.rows
        self._preprocessing = preprocessing
        self._transform: Callable[[Image.Image], torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Decoded:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Decoded]:
        """Return the images of these samples, which are read with one call: (3, size, size) each, uint8."""
        rows = [int(self._rows[i]) for i in indices]
        return [self._decode(row, stored) for row, stored in zip(rows, self._images.read(rows), strict=True)]

    def _decode(self, row: int, stored: StoredImage) -> Decoded:
        if self._transform is None:  # made in the process that uses it, since some transforms cannot be pickled
            self._transform = cropping(self._preprocessing)
        try:
            if isinstance(stored, Exception):
                raise stored
            if isinstance(stored, np.ndarray):
                return self._prepared(Image.fromarray(stored))
            if len(stored) > MOST_ENCODED_BYTES:
                raise too_long(len(stored))
            check_encoded(stored)
            with Image.open(io.BytesIO(stored), formats=FORMATS) as image:
                return self._prepared(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            reason = f"more than {MOST_PIXELS:,} pixels"
        except UnidentifiedImageError:
            reason = "not an image of a known format"
        except Exception as error:  # a damaged image makes Pillow raise errors of any class
            reason = next(iter(str(error).splitlines()), "") or repr(error)
        return DatasetError(f"{self._images.name(row)}: broken image ({shown(reason)})")

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        assert self._transform is not None
        check_opened(image, self._preprocessing)
        with large_images if is_large(image) else nullcontext():
            return self._transform(image)
