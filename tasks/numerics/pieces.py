"""Samples piece by piece: fits that see any number of samples and hold only a few of them.

A piece holds the samples of a fixed range of numbers, however their source is cut. The sums of a fit therefore have the
same terms in the same order, and its result has the same bits, whether the samples come as one array or in parts.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.numerics.checks import Floats

PIECE = 1 << 14
"""Samples of a piece, whose statistics and responsibilities fit in the processor's cache."""

A = TypeVar("A")
B = TypeVar("B")


class Mapped(Generic[A, B]):
    """An iterable that applies a function to the elements of another one, at every pass.

    Args:
        function: from an element of the source to an element of this iterable.
        source: can be iterated several times.

    Example:
        >>> doubled = Mapped(lambda x: 2 * x, [1, 2])
        >>> list(doubled), list(doubled)
        ([2, 4], [2, 4])
    """

    def __init__(self, function: Callable[[A], B], source: Iterable[A]) -> None:
        self._function, self._source = function, source

    def __iter__(self) -> Iterator[B]:
        return map(self._function, self._source)


class Pieces:
    """Samples in pieces of `PIECE` samples, the last one shorter. Each pass reads the source once.

    Args:
        source: yields arrays (n_i,) or (n_i, M) of any lengths n_i, the same ones at every pass.
        name: the argument's name, with which messages begin.
        dimensions: number of axes that each array must have.

    Raises:
        ValueError: the source is an iterator, which allows one pass only.

    Example:
        >>> pieces = Pieces([[0.1, 0.2], [0.3]], "samples", 1)
        >>> list(pieces), pieces.count()
        ([array([0.1, 0.2, 0.3])], 3)
    """

    def __init__(self, source: Iterable[ArrayLike], name: str, dimensions: int) -> None:
        if isinstance(source, Iterator):
            raise ValueError(
                f"{name}: wanted pieces that can be read several times, such as a list, got {type(source).__name__}"
            )
        self._source, self._name, self._dimensions = source, name, dimensions
        self._counts: dict[Callable[[Floats, int], None] | None, int] = {}
        self._subsets: dict[int, Floats] = {}

    def __iter__(self) -> Iterator[Floats]:
        waiting, held = list[Floats](), 0
        for values in self._arrays():
            start = 0
            while held + len(values) - start >= PIECE:
                part = values[start : start + PIECE - held]
                yield np.concatenate([*waiting, part]) if waiting else part
                start += len(part)
                waiting, held = [], 0
            if start < len(values):
                waiting.append(values[start:].copy())  # a source may fill the same array again
                held += len(waiting[-1])
        if waiting:
            yield np.concatenate(waiting)

    def count(self, check: Callable[[Floats, int], None] | None = None) -> int:
        """Return the number of samples n, after a check of all of them. The first call takes a pass for each check.

        Args:
            check: raises `ValueError` for a wrong piece; its second argument is the number of the piece's first sample.
                None: only finite numbers are asked for.

        Raises:
            ValueError: there are no samples, one is not finite, or the check refuses a piece.
        """
        if check not in self._counts:
            self._counts[check] = sum(len(piece) for piece in self.checked(check))
        return self._counts[check]

    def checked(self, check: Callable[[Floats, int], None] | None = None) -> Iterator[Floats]:
        """Yield the pieces, each after its check: see `count`."""
        count = 0
        for piece in self:
            self._refuse_infinite(piece, count)
            if check:
                check(piece, count)
            yield piece
            count += len(piece)
        if not count:
            raise ValueError(f"{self._name}: wanted at least one value, got none")

    def every(self, stride: int) -> Floats:
        """Return the samples number 0, `stride`, 2 · `stride` and so on, in one array."""
        if stride not in self._subsets:
            first, parts = 0, list[Floats]()
            for piece in self:
                parts.append(piece[-first % stride :: stride].copy())
                first += len(piece)
            self._subsets[stride] = np.concatenate(parts)
        return self._subsets[stride]

    def at(self, numbers: NDArray[np.int64]) -> Floats:
        """Return the samples of given numbers, in the order of the numbers.

        Args:
            numbers: (k,) from 0 to n − 1.
        """
        order = np.argsort(numbers, kind="stable")
        ascending, first, parts = numbers[order], 0, list[Floats]()
        for piece in self:
            low, high = np.searchsorted(ascending, [first, first + len(piece)])
            parts.append(piece[ascending[low:high] - first])
            first += len(piece)
        found = np.concatenate(parts)
        placed = np.empty_like(found)
        placed[order] = found
        return placed

    def _arrays(self) -> Iterator[Floats]:
        """Yield the source's arrays as float64, of one shape but for their lengths."""
        width = None
        for array in self._source:
            values = np.asarray(array, dtype=np.float64)
            if values.ndim != self._dimensions:
                raise ValueError(f"{self._name}: wanted {self._dimensions} dimension(s), got shape {values.shape}")
            width = values.shape[1:] if width is None else width
            if values.shape[1:] != width or 0 in width:
                raise ValueError(f"{self._name}: wanted rows of shape {width}, not empty, got {values.shape[1:]}")
            yield values

    def _refuse_infinite(self, piece: Floats, first: int) -> None:
        bad = np.argwhere(~np.isfinite(piece))
        if len(bad):
            where = tuple(bad[0])
            raise ValueError(
                f"{self._name}: wanted finite numbers, got {piece[where]} at sample {first + where[0]:,} "
                f"({len(bad)} in its piece of {len(piece):,})"
            )
