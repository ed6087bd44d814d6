"""Image folders: one directory per class, or images without labels directly inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.readers.folder import Folder
from tasks.datasets.samples import Picture, Samples, all_of, check_names
from tasks.errors import DatasetError

MOST_ENCODED = 256 * 1024**2  # bytes of a picture's file: one of all the pixels that are decoded, uncompressed
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def is_image(path: str) -> bool:
    """Tell by a file's name whether it is a picture, and not what a desktop or an editor left behind."""
    place = PurePosixPath(path)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
    return place.suffix.lower() in IMAGE_SUFFIXES and not hidden


def too_long(size: int) -> ValueError:
    """Return the error that stands for a picture of too many bytes."""
    return ValueError(f"{size:,} bytes, wanted at most {MOST_ENCODED:,}")


@dataclass(frozen=True)
class Files:
    """Pictures in files of their own."""

    folder: Folder
    paths: tuple[str, ...]
    entries: tuple[FileEntry, ...]

    def read(self, indices: Sequence[int]) -> list[Picture]:
        """See `Pictures`."""
        sound = [i for i in dict.fromkeys(indices) if self.entries[i].size <= MOST_ENCODED]
        found = dict(zip(sound, self.folder.read_each([self.paths[i] for i in sound]), strict=True))
        return [found[i] if i in found else too_long(self.entries[i].size) for i in indices]

    def name(self, index: int) -> str:
        """Return the file's path."""
        return f"{self.folder.root}/{shown(self.paths[index])}"

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return the files' paths, sizes and etags."""
        return [[self.paths[i], self.entries[i].size, self.entries[i].etag] for i in indices]


def files(folder: Folder, paths: Sequence[str]) -> Files:
    """Return the pictures in files of a folder.

    Raises:
        DatasetError: some of them are not there.
    """
    if missing := [path for path in paths if path not in folder.entries]:
        raise DatasetError(
            f"{folder.url}: {len(missing)} of {len(paths)} pictures are missing, first {shown(missing[0])}"
        )
    return Files(folder, tuple(paths), tuple(folder.entries[path] for path in paths))


def image_folder(folder: Folder) -> Samples:
    """Return the samples of a folder in the sorted order of their paths.

    The first directory of a path is its class; classes are numbered in the sorted order of their names. Files that are
    not images are passed over.

    Raises:
        DatasetError: no images, or images both inside and outside of class directories.
    """
    images = sorted(path for path in folder.entries if is_image(path))
    if not images:
        raise DatasetError(
            f"{folder.url}: no images; wanted one directory per class with {', '.join(sorted(IMAGE_SUFFIXES))}, "
            "Parquet files, tar shards, or a layout of torchvision's"
        )
    parts = [path.split("/") for path in images]
    loose = [path for path, p in zip(images, parts, strict=True) if len(p) == 1]
    if loose and len(loose) < len(images):
        raise DatasetError(
            f"{folder.url}: {len(loose)} images outside of the class directories, the first is {shown(loose[0])}"
        )
    if loose:
        return all_of(files(folder, images), np.full(len(images), -1, np.int32), ())
    classes = sorted({p[0] for p in parts})
    check_names(classes, folder.url)
    number = {name: i for i, name in enumerate(classes)}
    return all_of(files(folder, images), np.array([number[p[0]] for p in parts], np.int32), classes)
