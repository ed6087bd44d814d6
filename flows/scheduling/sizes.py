"""The size of a child: minutes of work, less towards the end, so that all workers end at about the same time."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """How children are cut.

    Args:
        samples: the setting `samples_per_run`: `auto`, a number of samples, or None for whole data sets.
        start_seconds: the time that a child takes beside its computing: a second on a warm worker, and the loading of
            its models.
        longest_seconds: the most that a child of several objects should take: a killed child computes one object
            again, but its worker takes no other work until it ends.
    """

    samples: int | Literal["auto"] | None = "auto"
    start_seconds: float = 4.0
    longest_seconds: float = 600.0


_STARTS = 4.0  # a child computes for at least so many times the seconds of its start, as far as work is left


def child_seconds(ready: float, workers: int, sizing: Sizing, runs: int = 1) -> float:
    """Return the seconds of computing that the next child should take.

    Each child takes a share of the work that is left: with two workers or more about half of the worker's fair share.
    The other half is cut again later, and evens out the workers' differences. This is guided self-scheduling
    (Polychronopoulos and Kuck, 1987) with the factor of two of factoring (Hummel, Schonberg and Flynn, 1992).

    Args:
        ready: seconds of all work that could start now, this child's included.
        workers: number of workers.
        sizing: the bounds.
        runs: number of runs that share the workers; the others are assumed to have as much work left as this one.

    Returns:
        Seconds: at least four starts of a child, unless that is more than a worker's fair share and others would idle;
        at most the longest child.

    Example:
        >>> [round(child_seconds(ready, 8, Sizing())) for ready in (90_000, 3_000, 240, 10)]
        [600, 200, 16, 1]
    """
    share, fair = ready * runs / (2 * workers - 1), ready * runs / workers
    return min(max(share, min(_STARTS * sizing.start_seconds, fair)), sizing.longest_seconds)


def most_in_flight(workers: int, runs: int = 1) -> int:
    """Return how many children a run should have sent and not seen end: two for each worker of its share.

    The second one waits for a worker that gets free, while the parent has not yet seen the end of the first. More of
    them would bind work early that is better chosen, and cut, later.

    Args:
        workers: number of workers.
        runs: number of runs that share them, this one included.

    Example:
        >>> [most_in_flight(8), most_in_flight(100, runs=10), most_in_flight(8, runs=100)]
        [16, 20, 2]
    """
    return 2 * max(1, round(workers / runs))
