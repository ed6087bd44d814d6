"""From pictures as they are kept to tensors, some at a time; what the processes that decode are sent."""

import io
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Dataset

from storage.text import shown
from tasks.datasets.picture_budget import MOST_PIXELS, check_encoded, check_opened, is_large, large_pictures
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.image_folder import MOST_ENCODED, too_long
from tasks.datasets.samples import Picture, Pictures, Samples
from tasks.datasets.transform import cropping
from tasks.errors import DatasetError

# those that the suffixes of image folders stand for; others, such as EPS, would have other programs run
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

Decoded = torch.Tensor | DatasetError


class Decoder(Dataset[Decoded]):
    """Decodes samples of a data set.

    A broken picture is handed over as an error, not raised: a worker process would turn the exception's message
    into a traceback.

    Args:
        samples: of the data set.
        preprocessing: how the pictures are prepared.
    """

    def __init__(self, samples: Samples, preprocessing: Preprocessing) -> None:
        self._pictures: Pictures = samples.pictures
        self._rows: NDArray[np.int64] = samples.rows
        self._preprocessing = preprocessing
        self._transform: Callable[[Image.Image], torch.Tensor] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Decoded:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Decoded]:
        """Return some samples, read together; (3, size, size) each, bytes."""
        rows = [int(self._rows[i]) for i in indices]
        return [self._decode(row, picture) for row, picture in zip(rows, self._pictures.read(rows), strict=True)]

    def _decode(self, row: int, picture: Picture) -> Decoded:
        if self._transform is None:  # made in the process that uses it: transforms need not be picklable
            self._transform = cropping(self._preprocessing)
        try:
            if isinstance(picture, Exception):
                raise picture
            if isinstance(picture, np.ndarray):
                return self._prepared(Image.fromarray(picture))
            if len(picture) > MOST_ENCODED:
                raise too_long(len(picture))
            check_encoded(picture)
            with Image.open(io.BytesIO(picture), formats=_FORMATS) as image:
                return self._prepared(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            told = f"more than {MOST_PIXELS:,} pixels"
        except UnidentifiedImageError:
            told = "not a picture of a known kind"
        except Exception as error:  # whatever a damaged picture makes a decoder stumble over
            told = next(iter(str(error).splitlines()), "") or repr(error)
        return DatasetError(f"{self._pictures.name(row)}: broken image ({shown(told)})")

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        assert self._transform is not None
        check_opened(image, self._preprocessing)
        with large_pictures if is_large(image) else nullcontext():
            return self._transform(image)
