"""Images of digits that a file holds as one array, as those of MNIST and SVHN."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.samples import Samples, StoredImage, named_samples
from tasks.errors import DatasetError

Load = Callable[[Folder, str], NDArray[np.uint8]]
"""Reads the images (n, h, w) or (n, h, w, 3) of a file, given the folder and the file's path."""
_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class ArrayImages:
    """The images of one array. Each process that decodes reads it whole: test sets have some megabytes.

    Attributes:
        folder: the folder of the data set.
        path: path of the file with the images.
        entries: sizes and etags of the file with the images, and of the one with the labels if that is another.
        load: reads the array; a function of a module, since it is sent to other processes.
    """

    folder: Folder
    path: str
    entries: tuple[FileEntry, ...]
    load: Load
    _loaded: list[NDArray[np.uint8]] = field(default_factory=list, compare=False, repr=False)

    def __reduce__(self) -> tuple[type["ArrayImages"], tuple[Any, ...]]:
        return ArrayImages, (self.folder, self.path, self.entries, self.load)

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """See `StoredImages`."""
        if not self._loaded:
            self._loaded.append(self.load(self.folder, self.path))
        return [self._loaded[0][i] for i in indices]

    def name(self, index: int) -> str:
        """Return the file's path and the number of the image."""
        return f"{self.folder.root}/{shown(self.path)}, image {index}"

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the file's path and the number of each image, as in `t10k-images-idx3-ubyte#17`."""
        return [f"{self.path}#{index}" for index in indices]

    def content(self, indices: NDArray[np.int64]) -> Iterator[Any]:
        """Yield the path, sizes and etags of the files of images and labels, and the numbers of the images."""
        yield from (self.path, [[entry.size, entry.etag] for entry in self.entries], indices.tolist())


def digit_samples(images: ArrayImages, labels: NDArray[np.int32]) -> Samples:
    """Return one sample for each image of a digit.

    Args:
        images: the images.
        labels: (n,) digits.

    Raises:
        DatasetError: no images, more or fewer labels than images, or labels that are not digits.
    """
    count, where = len(images.load(images.folder, images.path)), images.folder.url
    if len(labels) != count or not count:
        raise DatasetError(f"{where}/{shown(images.path)}: {count} images, {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= len(_DIGITS):
        raise DatasetError(f"{where}: labels from {labels.min()} to {labels.max()}, wanted digits")
    return named_samples(images, labels, _DIGITS)
