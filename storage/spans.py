"""Spans: ranges of samples of a data set. Every per-sample table is cut into objects by span."""

from collections.abc import Iterable
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


def chain(spans: Iterable[Span]) -> list[Span]:
    """Return adjacent spans that begin at sample 0 and reach as far as possible, each sample in one of them.

    A table may hold objects of two cuts: an earlier version of this program wrote fitted tables as one object.

    Args:
        spans: of the objects of a table, in any order.

    Example:
        >>> chain([Span(0, 5), Span(0, 2), Span(2, 4), Span(5, 7)])
        [Span(start=0, stop=5), Span(start=5, stop=7)]
    """
    reaching: dict[int, Span] = {}  # by its end, a span that a chain from 0 can end with
    for span in sorted(spans):
        if (span.start == 0 or span.start in reaching) and span.stop not in reaching:
            reaching[span.stop] = span
    found, stop = list[Span](), max(reaching, default=0)
    while stop:
        found.append(reaching[stop])
        stop = found[-1].start
    return found[::-1]
