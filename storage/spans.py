"""Spans: ranges of samples of a data set. Every per-sample table is cut into objects by span."""

from typing import NamedTuple


class Span(NamedTuple):
    """The samples `start` to `stop` of a data set, `stop` excluded."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """The number of samples."""
        return self.stop - self.start


def cut(samples: int, size: int) -> list[Span]:
    """Return the spans of at most `size` samples that cover a data set, in order.

    Args:
        samples: the number of samples of the data set.
        size: samples per span; the last span may be shorter.

    Returns:
        Adjacent spans from 0 to `samples`; none for an empty data set.

    Example:
        >>> cut(5, size=2)
        [Span(start=0, stop=2), Span(start=2, stop=4), Span(start=4, stop=5)]
    """
    return [Span(start, min(start + size, samples)) for start in range(0, samples, size)]
