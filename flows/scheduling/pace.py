"""The speed of workers: forward passes a second, as measured on the children that have ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from flows.scheduling.works import Work

_Key = tuple[str, str | None]

UNMEASURED_RATE = 1000.0
"""Passes a second that priorities assume before any measurement; no size of a child depends on it."""


class Measured(NamedTuple):
    """A sum of measurements."""

    passes: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Pace:
    """Measured speed by kind of work and data set.

    The rate is a ratio of sums, so that long children count most: the time in which a child loads its models is a
    small part of theirs.

    Example:
        >>> pace = Pace().including("extract-outputs", "a", passes=1000, seconds=2.0)
        >>> pace.rate("extract-outputs", "a"), pace.rate("evaluate-merges", "b"), Pace().rate("extract-outputs", "a")
        (500.0, 500.0, None)
    """

    measured: Mapping[_Key, Measured] = field(default_factory=dict)

    def including(self, kind: str, dataset: str | None, *, passes: float, seconds: float) -> "Pace":
        """Return the pace with one more measurement, such as that of a child which has ended.

        Args:
            kind: of the works.
            dataset: name of their data set; None for works of several data sets.
            passes: forward passes; measurements of none are ignored.
            seconds: their time, as long as the worker was busy with them.
        """
        if passes <= 0 or seconds <= 0:
            return self
        before = self.measured.get((kind, dataset), Measured())
        return replace(
            self,
            measured={**self.measured, (kind, dataset): Measured(before.passes + passes, before.seconds + seconds)},
        )

    def rate(self, kind: str, dataset: str | None) -> float | None:
        """Return passes a second: of the kind on the data set, else of the kind, else of all; None before any.

        Args:
            kind: of the works.
            dataset: name of their data set.
        """
        found = self.measured.get((kind, dataset)) or self._sums.get(kind) or self._sums.get(None)
        return None if found is None else found.passes / found.seconds

    @cached_property
    def _sums(self) -> Mapping[str | None, Measured]:
        """The measurements of each kind together, and under None those of all kinds."""
        found = dict[str | None, Measured]()
        for (kind, _), one in self.measured.items():
            for key in (kind, None):
                before = found.get(key, Measured())
                found[key] = Measured(before.passes + one.passes, before.seconds + one.seconds)
        return found

    def seconds(self, work: Work, samples: int) -> float:
        """Return the expected seconds of some samples of a work, beside a child's start; all of an indivisible work.

        Args:
            work: any work.
            samples: how many of its samples.
        """
        if not work.spans:
            return work.seconds
        return work.passes * samples / (self.rate(work.kind, work.dataset) or UNMEASURED_RATE)
