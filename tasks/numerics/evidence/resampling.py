"""Resamples of a data set: how often each sample is drawn, the same for every method that is compared on them."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
"""Number of resamples of an interval."""

Counts = NDArray[np.float32]
"""(n, B) number of times that each of n samples is drawn in each of B resamples; a column sums to n."""

CHUNK = 32
"""Number of resamples that share a random stream, so that any range of chunks is drawn without those before it."""


@dataclass(frozen=True)
class Resampling:
    """The resamples of n samples, drawn range by range, so that they never lie in memory all at once.

    A resample draws n of the n samples with replacement: its counts follow a multinomial distribution with equal
    probabilities (Efron, Annals of Statistics 1979). The counts depend on the three fields and nothing else.

    Raises:
        ValueError: `samples` or `count` is below 1.

    Example:
        >>> drawn = Resampling(4, 50, "photos").counts(0, 2)
        >>> drawn.shape, drawn.sum(axis=0)
        ((4, 2), array([4., 4.], dtype=float32))
    """

    samples: int
    """Number n of samples, at least 1."""
    count: int = RESAMPLES
    """Number B of resamples, at least 1."""
    seed: int | str = 0
    """A number, or a text such as the digest of the data set."""

    def __post_init__(self) -> None:
        for name, number in (("samples", self.samples), ("count", self.count)):
            if number < 1:
                raise ValueError(f"resampling: {name}: wanted at least 1, got {number}")

    def counts(self, start: int, stop: int) -> Counts:
        """Return the counts of the resamples `[start, stop)`, (n, stop − start).

        Args:
            start: number of the first resample.
            stop: number after the last one, at most `count`.

        Raises:
            ValueError: the range is empty or not a part of the resamples.
        """
        if not 0 <= start < stop <= self.count:
            raise ValueError(f"resampling: wanted a range inside 0 to {self.count}, got {start} to {stop}")
        drawn = np.empty((self.samples, stop - start), np.float32)
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            first = chunk * CHUNK
            low, high = max(start, first), min(stop, first + CHUNK)
            drawn[:, low - start : high - start] = self._chunk(chunk)[low - first : high - first].T
        return drawn

    def _chunk(self, chunk: int) -> Counts:
        """Return the counts of one random stream, (resamples, n)."""
        random = np.random.Generator(np.random.PCG64([chunk, self.samples, *_entropy(self.seed)]))
        drawn = np.empty((CHUNK, self.samples), np.float32)
        for row in drawn:
            row[:] = np.bincount(random.integers(0, self.samples, self.samples, np.int32), minlength=self.samples)
        return drawn


def resamples(samples: int, count: int = RESAMPLES, seed: int | str = 0) -> Counts:
    """Return how often each of n samples is drawn in each of B resamples of n samples.

    Equal arguments give equal counts on every platform, so methods are compared on the same resamples.

    Args:
        samples: number n of samples, at least 1.
        count: number B of resamples, at least 1.
        seed: a number, or a text such as the digest of the data set.

    Returns:
        (n, B) float32 counts, multinomial with equal probabilities; each column sums to n.

    Raises:
        ValueError: `samples` or `count` is below 1.

    Example:
        >>> resamples(3, 2, seed="photos").sum(axis=0)
        array([3., 3.], dtype=float32)
    """
    return Resampling(samples, count, seed).counts(0, count)


def _entropy(seed: int | str) -> list[int]:
    """Return a seed as 32-bit numbers; a number and its digits as a text are two seeds."""
    digest = hashlib.sha256(f"{type(seed).__name__} {seed}".encode()).digest()
    return [int.from_bytes(digest[at : at + 4], "big") for at in range(0, len(digest), 4)]
