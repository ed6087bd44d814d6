"""Pictures that come as one array in one file: MNIST's idx files and SVHN's `.mat`, as torchvision keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.readers.folder import Folder
from tasks.datasets.readers.idx import read_idx
from tasks.datasets.readers.matlab import matlab_array
from tasks.datasets.samples import Picture, Samples, all_of, check_count
from tasks.errors import DatasetError

MNIST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SVHN = "test_32x32.mat"
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class ArrayPictures:
    """The pictures of an array, read whole by each process that decodes: test sets of some megabytes."""

    folder: Folder
    path: str
    entries: tuple[FileEntry, ...]
    """Of the pictures' file and the labels'."""
    _held: list[NDArray[np.uint8]] = field(default_factory=list, compare=False, repr=False)

    def __reduce__(self) -> tuple[type["ArrayPictures"], tuple[Any, ...]]:
        return ArrayPictures, (self.folder, self.path, self.entries)

    def read(self, indices: Sequence[int]) -> list[Picture]:
        """See `Pictures`."""
        if not self._held:
            is_matlab = self.path.endswith(".mat")
            held = _svhn_pictures(self.folder, self.path) if is_matlab else read_idx(self.folder, self.path, 3)
            self._held.append(held)
        return [self._held[0][i] for i in indices]

    def name(self, index: int) -> str:
        """Return the file's path and the picture's number."""
        return f"{self.folder.root}/{shown(self.path)}, picture {index}"

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return sizes and etags of the files of pictures and labels, and which pictures."""
        return [self.path, [[entry.size, entry.etag] for entry in self.entries], indices.tolist()]


def mnist(folder: Folder, images: str, labels: str) -> Samples:
    """Return the samples of two idx files, gzipped or not."""
    numbers = read_idx(folder, labels, 1)
    pictures = ArrayPictures(folder, images, (folder.entries[images], folder.entries[labels]))
    count = read_idx(folder, images, 3).shape[0]
    return _digits(pictures, numbers.astype(np.int32), count, folder.url)


def svhn(folder: Folder, path: str) -> Samples:
    """Return the samples of SVHN's cropped digits; the file calls a zero 10."""
    found = np.asarray(matlab_array(folder, path, "y"))
    if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
        raise DatasetError(f"{folder.url}/{shown(path)}: y is {found.dtype}, wanted numbers")
    check_count(found.size, folder.url)
    labels = found.reshape(-1).astype(np.int32) % 10
    pictures = ArrayPictures(folder, path, (folder.entries[path],))
    return _digits(pictures, labels, len(_svhn_pictures(folder, path)), folder.url)


def _digits(pictures: ArrayPictures, labels: NDArray[np.int32], count: int, where: str) -> Samples:
    if len(labels) != count or not count:
        raise DatasetError(f"{where}/{shown(pictures.path)}: {count} pictures, {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= len(_DIGITS):
        raise DatasetError(f"{where}: labels from {labels.min()} to {labels.max()}, wanted digits")
    return all_of(pictures, labels, _DIGITS)


def _svhn_pictures(folder: Folder, path: str) -> NDArray[np.uint8]:
    """Return the pictures (n, 32, 32, 3) of an array (32, 32, 3, n)."""
    array = matlab_array(folder, path, "X")
    if array.ndim != 4 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise DatasetError(f"{folder.url}/{shown(path)}: X is {array.dtype} {array.shape}, wanted bytes (h, w, 3, n)")
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))
