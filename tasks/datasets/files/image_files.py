"""Images in files of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.samples import StoredImage
from tasks.errors import DatasetError

MOST_ENCODED_BYTES = 256 * 1024**2  # of an image's file: as many as the most pixels that are decoded take uncompressed
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def is_image(path: str) -> bool:
    """Return whether a file's name is that of an image, and not of a hidden file that a desktop or editor left."""
    place = PurePosixPath(path)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return place.suffix.lower() in IMAGE_SUFFIXES and not hidden


def too_long(size: int) -> ValueError:
    """Return the error that takes the place of an encoded image of too many bytes."""
    return ValueError(f"{size:,} bytes, wanted at most {MOST_ENCODED_BYTES:,}")


@dataclass(frozen=True)
class ImageFiles:
    """Images in files of their own.

    Attributes:
        folder: the folder of the files.
        paths: each image's path.
        entries: each image's size and etag.
    """

    folder: Folder
    paths: tuple[str, ...]
    entries: tuple[FileEntry, ...]

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """See `StoredImages`."""
        accepted = [i for i in dict.fromkeys(indices) if self.entries[i].size <= MOST_ENCODED_BYTES]
        found = dict(zip(accepted, self.folder.read_each([self.paths[i] for i in accepted]), strict=True))
        return [found[i] if i in found else too_long(self.entries[i].size) for i in indices]

    def name(self, index: int) -> str:
        """Return the file's path."""
        return f"{self.folder.root}/{shown(self.paths[index])}"

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the path of each file, relative to the data set's folder."""
        return [self.paths[i] for i in indices]

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return the path, size and etag of each file."""
        return [[self.paths[i], self.entries[i].size, self.entries[i].etag] for i in indices]


def image_files(folder: Folder, paths: Sequence[str]) -> ImageFiles:
    """Return the images in files of a folder.

    Args:
        folder: the folder.
        paths: the images' paths, in the order of the samples.

    Raises:
        DatasetError: some of the files are missing.
    """
    if missing := [path for path in paths if path not in folder.entries]:
        raise DatasetError(
            f"{folder.url}: {len(missing)} of {len(paths)} images are missing, first {shown(missing[0])}"
        )
    return ImageFiles(folder, tuple(paths), tuple(folder.entries[path] for path in paths))
