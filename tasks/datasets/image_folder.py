"""Image folders: one directory per class, or images without labels directly inside."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tasks.errors import DatasetError

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class ImageFolder:
    """The samples of a folder, in order.

    Attributes:
        paths: relative to the folder, sorted: sample i is `paths[i]`.
        labels: (n,) class of each sample, −1 without classes.
        classes: names in sorted order; a class's number is its place. Empty for images without labels.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    classes: tuple[str, ...]


def image_folder(paths: Iterable[str], where: str) -> ImageFolder:
    """Return the samples among the paths of all files below a folder.

    The first directory of a path is its class. Files that are not images are passed over.

    Raises:
        DatasetError: no images, or images both inside and outside of class directories.
    """
    images = sorted(path for path in paths if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DatasetError(
            f"{where}: no images; wanted one directory per class with {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    parts = [path.split("/") for path in images]
    loose = [path for path, p in zip(images, parts, strict=True) if len(p) == 1]
    if loose and len(loose) < len(images):
        raise DatasetError(f"{where}: {len(loose)} images outside of the class directories, the first is {loose[0]}")
    if loose:
        return ImageFolder(tuple(images), np.full(len(images), -1, np.int32), ())
    classes = sorted({p[0] for p in parts})
    number = {name: i for i, name in enumerate(classes)}
    return ImageFolder(tuple(images), np.array([number[p[0]] for p in parts], np.int32), tuple(classes))


def evenly(samples: int, limit: int | None) -> NDArray[np.intp]:
    """Return the indices of at most `limit` samples, spread evenly over all, so that no class is left out."""
    if limit is None or limit >= samples:
        return np.arange(samples)
    return (np.arange(limit) * samples) // limit
