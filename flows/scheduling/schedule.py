"""The schedule of a run: what the next child computes, and what has ended.

A `Schedule` holds the state of a run's works. It decides, and does nothing else: it sends no child, reads no clock and
no store. A parent calls it from one thread:

1. Build it of all works of the run, those of the parent (fits) included: they lengthen paths.
2. `open` a work when all that it waits for is complete.
3. While fewer than `most_in_flight(workers)` children are in flight, `next_parcel(workers)` returns the pieces of the
   next child; None if no open work is left. Send it: its flow is `parcel.kind`.
4. When a child completed, call `ended(parcel, seconds)`. When it is given up, call `failed(parcel)`. Both return the
   works that ended by it; `has_failed` tells how. A child that died is sent again as it is, or `again(parcel)` has its
   pieces cut anew.

A parcel of several works that failed is taken apart: each of its works is tried again in children of its own, so that
one bad data set takes no other with it.

Example:
    >>> from flows.scheduling.works import Graph, Work
    >>> from storage.spans import cut
    >>> extract = Work(name="extract a", kind="extract-outputs", dataset="a", spans=tuple(cut(20, 8)), passes=2)
    >>> fit = Work(name="fit a", kind="fit", dataset="a", after=("extract a",), is_local=True)
    >>> schedule = Schedule(Graph([extract, fit]))
    >>> schedule.open("extract a")
    >>> first = schedule.next_parcel(workers=1)  # no speed is known yet: one object
    >>> [(piece.work.dataset, piece.span) for piece in first.pieces]
    [('a', Span(start=0, stop=8))]
    >>> schedule.ended(first, seconds=30.0)
    []
    >>> second = schedule.next_parcel(workers=1)  # all that is left
    >>> [(piece.work.dataset, piece.span) for piece in second.pieces]
    [('a', Span(start=8, stop=20))]
    >>> schedule.ended(second, seconds=45.0)
    ['extract a']
"""

from collections.abc import Sequence
from dataclasses import replace

from flows.scheduling.pace import Pace
from flows.scheduling.paths import remaining_paths
from flows.scheduling.sizes import Sizing, child_seconds
from flows.scheduling.works import Graph, Parcel, Piece, Work
from storage.spans import Span


class Schedule:
    """The state of a run's works; see the module.

    Args:
        graph: the works, and their order.
        sizing: how children are cut.
        pace: speed that is known before the run, such as from stored objects.
    """

    def __init__(self, graph: Graph, sizing: Sizing | None = None, pace: Pace | None = None) -> None:
        self._graph, self._sizing, self.pace = graph, sizing or Sizing(), pace or Pace()
        self._works = {work.name: work for work in graph}
        self._left = {work.name: work.samples for work in graph}  # samples that no child has
        self._unsent: dict[str, list[Span | None]] = {}  # by name of an open work
        self._in_flight: dict[str, int] = {}
        self._failed, self._alone = set[str](), set[str]()
        self._number = 0

    @property
    def in_flight(self) -> int:
        """The number of pieces that were handed out and have not ended."""
        return sum(self._in_flight.values())

    def open(self, name: str, spans: Sequence[Span] | None = None) -> None:
        """Hand out a work from now on; one that has ended, and is damaged since, can be opened again.

        Args:
            name: of the work.
            spans: the samples to compute, in order, an object of the store each; None: those of the work.

        Raises:
            ValueError: the work is open, the parent computes it, or it has no samples to compute.
        """
        work = self._works[name]
        if name in self._unsent:
            raise ValueError(f"{name} is open already")
        if work.is_local:
            raise ValueError(f"{name}: the parent computes it, no child does")
        if spans is not None:
            if not spans:
                raise ValueError(f"{name}: wanted samples to compute, got none")
            work = self._works[name] = replace(work, spans=tuple(spans))
        self._unsent[name], self._left[name] = list(work.spans) or [None], work.samples
        self._in_flight[name] = 0
        self._failed.discard(name)

    def has_failed(self, name: str) -> bool:
        """Return whether a work was given up."""
        return name in self._failed

    def next_parcel(self, workers: int, runs: int = 1) -> Parcel | None:
        """Return the pieces that the next child computes; None if nothing is left of the open works.

        Args:
            workers: number of workers, at least one.
            runs: number of runs that share them, this one included.
        """
        ready = [self._works[name] for name, unsent in self._unsent.items() if unsent]
        if not ready:
            return None
        paths = self.paths(workers)
        ready.sort(key=lambda work: (-paths[work.name], work.name))
        target = child_seconds(sum(map(self._seconds_left, ready)), workers, self._sizing, runs)
        first = ready[0]
        pieces = self._take(first, self._number_of_objects(first, target))
        if self._sizing.samples == "auto" and self._may_join(first):
            room = target * (1 + 1e-9) - sum(self._seconds(piece) for piece in pieces)  # but for rounding
            for work in ready[1:]:
                needed = self._seconds_left(work)
                if work.kind == first.kind and self._may_join(work) and needed <= room:
                    pieces += self._take(work, len(self._unsent[work.name]))
                    room -= needed
        self._number += 1
        return Parcel(self._number - 1, tuple(pieces))

    def ended(self, parcel: Parcel, seconds: float | None = None) -> list[str]:
        """Note that a child completed its parcel, and return the names of the works that ended by it.

        Args:
            parcel: from `next_parcel`.
            seconds: how long the child ran, if it computed the whole parcel; later children are cut by it. None: nobody
                knows.
        """
        if seconds is not None:
            datasets = {piece.work.dataset for piece in parcel.pieces}
            dataset = datasets.pop() if len(datasets) == 1 else None
            self.pace = self.pace.including(parcel.kind, dataset, passes=parcel.passes, seconds=seconds)
        return self._land(parcel)

    def again(self, parcel: Parcel) -> list[str]:
        """Note that a child was lost: its pieces are handed out again, cut anew.

        Returns:
            The names of the works that ended by it: those that were given up meanwhile.
        """
        for piece in parcel.pieces:
            name = piece.work.name
            if name not in self._failed:
                unsent = [*self._unsent[name], *piece.objects]
                self._unsent[name] = sorted(unsent, key=lambda span: span or Span(0, 0))
                self._left[name] += piece.span.length if piece.span else 0
        return self._land(parcel)

    def failed(self, parcel: Parcel) -> list[str]:
        """Note that a child failed for good, and return the names of the works that ended by it.

        Nothing more of its work is handed out, and the work ends with its last child in flight. If the parcel holds
        several works, each is tried again alone.
        """
        if len(parcel.works) > 1:
            self._alone.update(work.name for work in parcel.works)
            return self.again(parcel)
        (work,) = parcel.works
        self._failed.add(work.name)
        self._unsent[work.name], self._left[work.name] = [], 0
        return self._land(parcel)

    def paths(self, workers: int) -> dict[str, float]:
        """Return each work's priority: the seconds of the longest path from its missing samples to the run's end.

        The length of a work is the time that it takes when all workers share it: that of an object at least.

        Args:
            workers: number of workers.
        """
        return remaining_paths(self._graph, {work.name: self._length(work, workers) for work in self._works.values()})

    def _length(self, work: Work, workers: int) -> float:
        if not work.spans:
            return self._seconds_left(work)
        objects = self._unsent.get(work.name, work.spans)
        first = objects[0] if objects else None  # the longest: only the last object of a data set is shorter
        return max(self.pace.seconds(work, first.length) if first else 0.0, self._seconds_left(work) / workers)

    def _seconds_left(self, work: Work) -> float:
        return self.pace.seconds(work, self._left[work.name]) if self._unsent.get(work.name, True) else 0.0

    def _seconds(self, piece: Piece) -> float:
        return self.pace.seconds(piece.work, piece.span.length if piece.span else 0)

    def _may_join(self, work: Work) -> bool:
        """Return whether a work may share a child with others: its speed is known, and it failed in no such child."""
        return work.name not in self._alone and self.pace.rate(work.kind, work.dataset) is not None

    def _number_of_objects(self, work: Work, seconds: float) -> int:
        """Return how many objects of a work the next child takes: at least one, and by `auto` about so many seconds."""
        spans, wanted = [span for span in self._unsent[work.name] if span], self._sizing.samples
        if wanted is None or not spans:
            return len(self._unsent[work.name])
        if wanted != "auto":
            return -(-wanted // spans[0].length)
        if self.pace.rate(work.kind, work.dataset) is None:
            return 1
        count, total = 0, 0.0
        for span in spans:
            more = self.pace.seconds(work, span.length)
            if count and total + more / 2 > seconds:
                break
            count, total = count + 1, total + more
        return count

    def _take(self, work: Work, objects: int) -> list[Piece]:
        """Hand out the first objects of a work, adjacent ones as one piece."""
        unsent = self._unsent[work.name]
        taken, self._unsent[work.name] = unsent[:objects], unsent[objects:]
        self._left[work.name] -= sum(span.length for span in taken if span)
        pieces: list[Piece] = []
        for span in taken:
            last = pieces[-1].span if pieces else None
            if span and last and last.stop == span.start:
                pieces[-1] = Piece(work, Span(last.start, span.stop))
            else:
                pieces.append(Piece(work, span))
        self._in_flight[work.name] += len(pieces)
        return pieces

    def _land(self, parcel: Parcel) -> list[str]:
        """Note the end of a parcel's pieces; close the works of which none is left, and return their names."""
        for piece in parcel.pieces:
            self._in_flight[piece.work.name] -= 1
        done = [work.name for work in parcel.works if not (self._in_flight[work.name] or self._unsent[work.name])]
        for name in done:
            del self._unsent[name], self._in_flight[name]
            self._left[name] = 0
        return done
