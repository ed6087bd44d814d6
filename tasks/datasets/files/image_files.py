"""Images in files of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.file_table import FileTable
from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.samples import StoredImage
from tasks.errors import DatasetError

MOST_ENCODED_BYTES = 256 * 1024**2  # of an image's file: as many as the most pixels that are decoded take uncompressed
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

# as in `is_image`, for many paths at once: RE2 expressions
_SUFFIX = rf"(?i)\.({'|'.join(sorted(suffix.lstrip('.') for suffix in IMAGE_SUFFIXES))})$"
_HIDDEN = r"(^|/)(\.[^/]|__MACOSX(/|$))"
_EMPTY_PART = r"(^|/)\.?(/|$)"


def is_image(path: str) -> bool:
    """Return whether a file's name is that of an image, and not of a hidden file that a desktop or editor left."""
    place = PurePosixPath(path)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return place.suffix.lower() in IMAGE_SUFFIXES and not hidden


def too_long(size: int) -> ValueError:
    """Return the error that takes the place of an encoded image of too many bytes."""
    return ValueError(f"{size:,} bytes, wanted at most {MOST_ENCODED_BYTES:,}")


def images_in(folder: Folder) -> FileTable:
    """Return the files of a folder that are images by their names, as `is_image` decides, sorted by path."""
    files = folder.entries
    found = files.matching(_SUFFIX) & ~files.matching(_HIDDEN)
    unusual = np.flatnonzero(files.matching(_EMPTY_PART))  # keys of S3 such as `a//b.png`
    found[unusual] = [is_image(files[int(row)].path) for row in unusual]
    return files.rows(np.flatnonzero(found))


@dataclass(frozen=True)
class ImageFiles:
    """Images in files of their own.

    Attributes:
        folder: the folder of the files.
        files: each image's path, size and etag.
    """

    folder: Folder
    files: FileTable

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """See `StoredImages`."""
        wanted = list(dict.fromkeys(indices))
        sizes = dict(zip(wanted, self.files.sizes[wanted].tolist(), strict=True))
        accepted = [i for i in wanted if sizes[i] <= MOST_ENCODED_BYTES]
        paths = self.files.paths.take(np.array(accepted, np.int64))
        found = dict(zip(accepted, self.folder.read_each(paths), strict=True))
        return [found[i] if i in found else too_long(sizes[i]) for i in indices]

    def name(self, index: int) -> str:
        """Return the file's path."""
        return f"{self.folder.root}/{shown(self.files.paths[index])}"

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the path of each file, relative to the data set's folder."""
        return self.files.paths.take(indices)

    def content(self, indices: NDArray[np.int64]) -> Iterator[Any]:
        """Yield the path, size and etag of each file."""
        for entry in self.files.rows(indices):
            yield [entry.path, entry.size, entry.etag]


def image_files(folder: Folder, paths: Sequence[str]) -> ImageFiles:
    """Return the images in files of a folder.

    Args:
        folder: the folder.
        paths: the images' paths, in the order of the samples.

    Raises:
        DatasetError: some of the files are missing.
    """
    rows = [folder.entries.row(path) for path in paths]
    if missing := [path for path, row in zip(paths, rows, strict=True) if row is None]:
        raise DatasetError(
            f"{folder.url}: {len(missing)} of {len(paths)} images are missing, first {shown(missing[0])}"
        )
    return ImageFiles(folder, folder.entries.rows(np.array(rows, np.int64)))
