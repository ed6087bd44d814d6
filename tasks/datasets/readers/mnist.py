"""MNIST and data sets in its format: two idx files, one of images and one of labels, gzipped or not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from storage.text import shown
from tasks.datasets.files.digit_arrays import ArrayImages, digit_samples
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.idx import read_idx
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError

_IMAGES, _LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _recognises(folder: Folder) -> list[str]:
    return [path for name in (_IMAGES, f"{_IMAGES}.gz") for path in folder.named(name)]


def _read(folder: Folder, paths: Sequence[str]) -> Samples:
    images, labels = paths[0], _labels_of(folder, paths)
    numbers = read_idx(folder, labels, 1).astype(np.int32)
    return digit_samples(
        ArrayImages(folder, images, (folder.entries.at(images), folder.entries.at(labels)), _load), numbers
    )


def _labels_of(folder: Folder, images: Sequence[str]) -> str:
    """Return the path of the labels, which lie beside the images; the unpacked file if both exist."""
    places = {path.rpartition("/")[0] for path in images}
    if len(places) > 1:
        raise DatasetError(f"{folder.url}: several data sets, in {shown(', '.join(sorted(places)))}; name one")
    below = f"{places.pop()}/".lstrip("/")
    for labels in (f"{below}{_LABELS}", f"{below}{_LABELS}.gz"):
        if labels in folder.entries:
            return labels
    raise DatasetError(f"{folder.url}: {shown(below)}{_LABELS} is missing, which comes with {shown(images[0])}")


def _load(folder: Folder, path: str) -> NDArray[np.uint8]:
    return read_idx(folder, path, 3)


READER = Reader(name="MNIST", marks=_IMAGES, recognises=_recognises, read=_read)
