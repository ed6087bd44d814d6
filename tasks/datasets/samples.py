"""The samples of a data set in any format: their order, their labels, and access to their images as stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storage.text import shown
from tasks.errors import DatasetError

StoredImage = bytes | NDArray[np.uint8] | Exception
"""An image before it is decoded: its encoded bytes, an array (h, w) or (h, w, 3), or the error that reading it gave."""


_SMALL_FILE_SAMPLES = 2_000_000  # accepted in a file of any size: each costs memory before its image is read
_LEAST_IMAGE_BYTES = 256  # in a larger file
_MOST_CLASSES = 1_000_000  # a larger label is an identifier, not the number of a class
_LONGEST_CLASS_NAME = 500  # characters


class StoredImages(Protocol):
    """The images of a data set by number; sent to the processes that decode them."""

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """Return the images of these numbers, not decoded, in the order asked for."""
        ...

    def name(self, index: int) -> str:
        """Return the name by which messages call an image, such as its path."""
        ...

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the name of each of these images inside the data set; no two images share one."""
        ...

    def content(self, indices: NDArray[np.int64]) -> Iterator[Any]:
        """Yield JSON values that change whenever one of these images does; the digest of a data set covers them."""
        ...


@dataclass(frozen=True)
class Samples:
    """The samples of a data set, in order.

    Attributes:
        images: the images; that of sample i has the number `rows[i]`.
        rows: (n,) number of each sample's image.
        labels: (n,) class of each sample; −1 in a data set without labels.
        classes: names of the classes, in order; empty in a data set without labels.
        named: whether the data set names its classes. If not, `classes` are numbers as text, up to the largest label.
        by_number: whether the format stores classes as numbers rather than as names of folders.
    """

    images: StoredImages
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    classes: tuple[str, ...]
    named: bool = True
    by_number: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, kept: NDArray[np.intp]) -> "Samples":
        """Return the samples at these places, in this order."""
        return replace(self, rows=self.rows[kept], labels=self.labels[kept])


def check_class_names(names: Sequence[str], where: str) -> None:
    """Raise `DatasetError` if the names of the classes are too many or too long."""
    if len(names) > _MOST_CLASSES:
        raise DatasetError(f"{where}: {len(names):,} names of classes, wanted at most {_MOST_CLASSES:,}")
    if long := next((name for name in names if len(name) > _LONGEST_CLASS_NAME), None):
        raise DatasetError(
            f"{where}: a class's name of {len(long):,} characters ({shown(long, 30)}), "
            f"wanted at most {_LONGEST_CLASS_NAME}"
        )


def check_count(samples: int, where: str, size: int = 0) -> None:
    """Raise `DatasetError` if a file of `size` bytes cannot hold the images of so many samples."""
    most = max(_SMALL_FILE_SAMPLES, size // _LEAST_IMAGE_BYTES)
    if samples > most:
        raise DatasetError(f"{where}: {samples:,} samples, wanted at most {most:,}")


def named_samples(images: StoredImages, labels: NDArray[np.int32], classes: Sequence[str]) -> Samples:
    """Return one sample for each image, of classes whose names are known."""
    return Samples(images, np.arange(len(labels)), labels, tuple(classes))


def numbered_samples(images: StoredImages, labels: NDArray[np.int64], names: Sequence[str], where: str) -> Samples:
    """Return one sample for each image of a format that stores classes as numbers.

    Args:
        images: the images.
        labels: (n,) classes; all −1 in a data set without labels.
        names: names of the classes; empty if the data set has none.
        where: address of the data set, for messages.

    Raises:
        DatasetError: no samples, labels on some of them only, or a label beyond the names.
    """
    if not len(labels):
        raise DatasetError(f"{where}: no samples")
    check_class_names(names, where)
    if labels.max() >= _MOST_CLASSES:
        raise DatasetError(f"{where}: label {labels.max()}, wanted numbers of classes below {_MOST_CLASSES:,}")
    without = int((labels < 0).sum())
    if 0 < without < len(labels):
        raise DatasetError(f"{where}: {without} of {len(labels)} samples have no label; wanted all or none")
    rows, largest = np.arange(len(labels)), int(labels.max())
    if without:
        return Samples(images, rows, np.full(len(labels), -1, np.int32), ())
    if names and largest >= len(names):
        raise DatasetError(f"{where}: label {largest}, but only {len(names)} names of classes")
    classes = tuple(names) or tuple(str(i) for i in range(largest + 1))
    return Samples(images, rows, labels.astype(np.int32), classes, named=bool(names), by_number=True)


def evenly(samples: int, limit: int | None) -> NDArray[np.intp]:
    """Return the indices of at most `limit` samples, spread evenly over all of them, so that every class is included.

    Example:
        >>> evenly(10, 4).tolist()
        [0, 2, 5, 7]
    """
    if limit is None or limit >= samples:
        return np.arange(samples)
    return (np.arange(limit) * samples) // limit


def runs(indices: NDArray[np.int64]) -> list[list[int]]:
    """Return rising numbers as runs [first, last] of consecutive ones.

    Example:
        >>> runs(np.array([3, 4, 5, 9]))
        [[3, 5], [9, 9]]
    """
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) != 1)
    firsts, lasts = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(indices) - 1]])
    return [[int(indices[a]), int(indices[b])] for a, b in zip(firsts, lasts, strict=True)]
