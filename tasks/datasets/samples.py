"""What every layout of a data set comes down to: samples in order, their labels, and a way to read their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storage.text import shown
from tasks.errors import DatasetError

Picture = bytes | NDArray[np.uint8] | Exception
"""An encoded picture, one as numbers (h, w) or (h, w, 3), or why it cannot be read."""


_SOME_SAMPLES = 2_000_000  # in a file however small: each costs memory before its picture is read
_LEAST_BYTES = 256  # of a picture in a larger file
_MOST_CLASSES = 1_000_000  # a larger label is no number of a class but an identifier of something
_LONGEST_NAME = 500  # characters of a class's name


class Pictures(Protocol):
    """The pictures of a data set, by number. Sent to the processes that decode."""

    def read(self, indices: Sequence[int]) -> list[Picture]:
        """Return some pictures, not decoded."""
        ...

    def name(self, index: int) -> str:
        """Return what a message calls a picture."""
        ...

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return plain values that change whenever one of these pictures does."""
        ...


@dataclass(frozen=True)
class Samples:
    """The samples of a data set.

    Attributes:
        pictures: of sample i the one numbered `rows[i]`.
        rows: (n,) which pictures.
        labels: (n,) class of each sample, −1 without classes.
        classes: their names, in order; empty for images without labels.
        named: whether the names are the data set's own; else they are the classes' numbers, and of those only
            the ones that occur are known.
        by_number: whether the layout says classes by number, not by the names of folders.
    """

    pictures: Pictures
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    classes: tuple[str, ...]
    named: bool = True
    by_number: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, kept: NDArray[np.intp]) -> "Samples":
        """Return some of the samples."""
        return replace(self, rows=self.rows[kept], labels=self.labels[kept])


def check_names(names: Sequence[str], where: str) -> None:
    """Raise `DatasetError` for names of classes that are too many or too long to be any."""
    if len(names) > _MOST_CLASSES:
        raise DatasetError(f"{where}: {len(names):,} names of classes, wanted at most {_MOST_CLASSES:,}")
    if long := next((name for name in names if len(name) > _LONGEST_NAME), None):
        raise DatasetError(
            f"{where}: a class's name of {len(long):,} characters ({shown(long, 30)}), wanted at most {_LONGEST_NAME}"
        )


def check_count(samples: int, where: str, size: int = 0) -> None:
    """Raise `DatasetError` for more samples than a file of `size` bytes can hold pictures of."""
    most = max(_SOME_SAMPLES, size // _LEAST_BYTES)
    if samples > most:
        raise DatasetError(f"{where}: {samples:,} samples, wanted at most {most:,}")


def all_of(pictures: Pictures, labels: NDArray[np.int32], classes: Sequence[str]) -> Samples:
    """Return samples of classes with names."""
    return Samples(pictures, np.arange(len(labels)), labels, tuple(classes))


def numbered(pictures: Pictures, labels: NDArray[np.int64], names: Sequence[str], where: str) -> Samples:
    """Return samples whose layout says their classes by number: −1 for none, and names only perhaps.

    Raises:
        DatasetError: no samples, labels on some only, or labels beyond the names.
    """
    if not len(labels):
        raise DatasetError(f"{where}: no samples")
    check_names(names, where)
    if labels.max() >= _MOST_CLASSES:
        raise DatasetError(f"{where}: label {labels.max()}, wanted numbers of classes below {_MOST_CLASSES:,}")
    without = int((labels < 0).sum())
    if 0 < without < len(labels):
        raise DatasetError(f"{where}: {without} of {len(labels)} samples have no label; wanted all or none")
    rows, largest = np.arange(len(labels)), int(labels.max())
    if without:
        return Samples(pictures, rows, np.full(len(labels), -1, np.int32), ())
    if names and largest >= len(names):
        raise DatasetError(f"{where}: label {largest}, but there are {len(names)} names of classes")
    classes = tuple(names) or tuple(str(i) for i in range(largest + 1))
    return Samples(pictures, rows, labels.astype(np.int32), classes, named=bool(names), by_number=True)


def evenly(samples: int, limit: int | None) -> NDArray[np.intp]:
    """Return the indices of at most `limit` samples, spread evenly over all, so that no class is left out."""
    if limit is None or limit >= samples:
        return np.arange(samples)
    return (np.arange(limit) * samples) // limit


def runs(indices: NDArray[np.int64]) -> list[list[int]]:
    """Return rising numbers, shorter: as runs [first, last]."""
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) != 1)
    firsts, lasts = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(indices) - 1]])
    return [[int(indices[a]), int(indices[b])] for a, b in zip(firsts, lasts, strict=True)]
