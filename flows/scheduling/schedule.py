"""The schedule of a run: what the next child computes, and what has ended.

A `Schedule` holds the state of a run's works. It decides, and does nothing else: it starts no child, reads no clock and
no store. The parent calls it from one thread:

1. `next_local()` returns works that the parent computes itself (fits). Call `completed` or `failed` with each.
2. While fewer children are in flight than workers exist, `next_parcel(workers)` returns the parts of the next child,
   and None if nothing can start now. Send it: its flow is `parcel.kind`.
3. When a child ends, call `ended(parcel, seconds)`. If it died, and is sent again as it is, call nothing. Call
   `again(parcel)` to have its parts cut anew, and `failed(parcel)` when it is given up.
4. Repeat until `is_over`. `unfinished` then names the works that failed, and those that waited for them.

A parcel whose works are several, and that failed, is taken apart: each of its works is tried again alone, so that one
bad data set does not take others with it.

Example:
    >>> from flows.scheduling.works import Graph, Work
    >>> from storage.spans import cut
    >>> extract = Work(name="extract a", kind="extract-outputs", dataset="a", spans=tuple(cut(20, 8)), passes=2)
    >>> fit = Work(name="fit a", kind="fit", dataset="a", after=("extract a",), is_local=True)
    >>> schedule = Schedule(Graph([extract, fit]))
    >>> first = schedule.next_parcel(workers=1)  # no speed is known yet: one object
    >>> [(part.work.dataset, part.span) for part in first.parts]
    [('a', Span(start=0, stop=8))]
    >>> schedule.ended(first, seconds=30.0)
    >>> second = schedule.next_parcel(workers=1)  # all that is left
    >>> [(part.work.dataset, part.span) for part in second.parts]
    [('a', Span(start=8, stop=20))]
    >>> schedule.ended(second, seconds=45.0)
    >>> schedule.next_parcel(workers=1), schedule.next_local().name
    (None, 'fit a')
    >>> schedule.completed(fit)
    >>> schedule.is_over, schedule.unfinished
    (True, [])
"""

from collections.abc import Iterator

from flows.scheduling.pace import Pace
from flows.scheduling.paths import remaining_paths
from flows.scheduling.sizes import Sizing, child_seconds
from flows.scheduling.works import Graph, Parcel, Part, Work
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
        self._unsent: dict[str, list[Span | None]] = {work.name: list(work.spans) or [None] for work in graph}
        self._left = {work.name: work.samples for work in graph}  # samples that no child has
        self._waits = {work.name: set(work.after) for work in graph}
        self._in_flight: dict[str, int] = {work.name: 0 for work in graph}
        self._done, self._failed, self._alone = set[str](), set[str](), set[str]()
        self._number = 0

    @property
    def in_flight(self) -> int:
        """The number of parts that were handed out and have not ended."""
        return sum(self._in_flight.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is in flight, and nothing can start any more."""
        return not self.in_flight and next(self._ready(), None) is None

    @property
    def unfinished(self) -> list[str]:
        """The names of the works that are not complete, in the order of the graph."""
        return [work.name for work in self._graph if work.name not in self._done]

    @property
    def given_up(self) -> list[str]:
        """The names of the works that failed, in the order of the graph, without those that wait for them."""
        return [work.name for work in self._graph if work.name in self._failed]

    def next_local(self) -> Work | None:
        """Return the next work that the parent computes itself; None if none can start now."""
        ready = [work for work in self._ready() if work.is_local]
        if not ready:
            return None
        paths = self.paths(workers=1)
        chosen = min(ready, key=lambda work: (-paths[work.name], work.name))
        self._take(chosen, 1)
        return chosen

    def next_parcel(self, workers: int, runs: int = 1) -> Parcel | None:
        """Return the parts that the next child computes; None if no work for a worker can start now.

        Args:
            workers: number of workers, at least one.
            runs: number of runs that share them, this one included.
        """
        ready = [work for work in self._ready() if not work.is_local]
        if not ready:
            return None
        paths = self.paths(workers)
        ready.sort(key=lambda work: (-paths[work.name], work.name))
        target = child_seconds(sum(map(self._seconds_left, ready)), workers, self._sizing, runs)
        first, others = ready[0], ready[1:]
        parts = self._parts(first, self._number_of_objects(first, target))
        if self._sizing.samples == "auto":
            room = target - sum(self.pace.seconds(part) for part in parts)
            for work in others if self._may_join(first) else ():
                needed = self._seconds_left(work)
                if work.kind == first.kind and self._may_join(work) and needed <= room:
                    parts += self._parts(work, len(self._unsent[work.name]))
                    room -= needed
        self._number += 1
        return Parcel(self._number - 1, tuple(parts))

    def ended(self, parcel: Parcel, seconds: float | None = None) -> None:
        """Note that a child completed its parcel.

        Args:
            parcel: from `next_parcel`.
            seconds: how long the child ran; later children are cut by it. None: nobody knows.
        """
        for part in parcel.parts:
            self._end(part.work)
        if seconds:
            datasets = {part.work.dataset for part in parcel.parts}
            dataset = datasets.pop() if len(datasets) == 1 else None
            self.pace = self.pace.including(parcel.kind, dataset, passes=parcel.passes, seconds=seconds)

    def again(self, parcel: Parcel) -> None:
        """Note that a child was lost: its parts are handed out again, cut anew."""
        for part in parcel.parts:
            self._in_flight[part.work.name] -= 1
            unsent = [*self._unsent[part.work.name], *part.objects]
            self._unsent[part.work.name] = sorted(unsent, key=lambda span: span or Span(0, 0))
            self._left[part.work.name] += part.span.length if part.span else 0

    def failed(self, parcel: Parcel) -> None:
        """Note that a child failed for good: its work is given up; several works are each tried again alone."""
        if len(parcel.works) > 1:
            self._alone.update(work.name for work in parcel.works)
            self.again(parcel)
            return
        for part in parcel.parts:
            self._in_flight[part.work.name] -= 1
            self.give_up(part.work)

    def completed(self, work: Work) -> None:
        """Note that the parent computed a work that `next_local` returned."""
        self._end(work)

    def give_up(self, work: Work) -> None:
        """Note that a work failed for good: no more of it is handed out, and works that wait for it never start."""
        if work.is_local:
            self._in_flight[work.name] = 0
        self._failed.add(work.name)
        self._unsent[work.name], self._left[work.name] = [], 0

    def paths(self, workers: int) -> dict[str, float]:
        """Return each work's priority: the seconds of the longest path from its missing parts to the run's end.

        The length of a work is the time that it takes when all workers share it: an object at least.

        Args:
            workers: how many workers share the works.
        """
        return remaining_paths(self._graph, {work.name: self._length(work, workers) for work in self._graph})

    def _length(self, work: Work, workers: int) -> float:
        unsent = self._unsent[work.name]
        longest = (
            self.pace.seconds(Part(work, unsent[0])) if unsent else 0.0
        )  # only a data set's last object is shorter
        return max(longest, self._seconds_left(work) / max(workers, 1))

    def _seconds_left(self, work: Work) -> float:
        return self.pace.seconds_of(work, self._left[work.name]) if self._unsent[work.name] else 0.0

    def _ready(self) -> Iterator[Work]:
        return (work for work in self._graph if self._unsent[work.name] and not self._waits[work.name])

    def _may_join(self, work: Work) -> bool:
        """Return whether a work may share a child with others: its speed is known, and it failed in no such child."""
        return work.name not in self._alone and self.pace.rate(work.kind, work.dataset) is not None

    def _number_of_objects(self, work: Work, seconds: float) -> int:
        """Return how many objects of a work the next child takes, at least one; by `auto` they take about `seconds`."""
        unsent, wanted = self._unsent[work.name], self._sizing.samples
        if wanted is None or unsent == [None]:
            return len(unsent)
        if wanted == "auto":
            if self.pace.rate(work.kind, work.dataset) is None:
                return 1
            target = seconds
            costs = [self.pace.seconds(Part(work, span)) for span in unsent]
        else:
            target = float(wanted)
            costs = [float(span.length) for span in unsent if span]
        count, total = 0, 0.0
        for cost in costs:
            enough = total + cost / 2 > target if wanted == "auto" else total >= target
            if count and enough:
                break
            count, total = count + 1, total + cost
        return count

    def _parts(self, work: Work, objects: int) -> list[Part]:
        """Hand out the first objects of a work, adjacent ones as one part."""
        parts: list[Part] = []
        for span in self._take(work, objects):
            last = parts[-1].span if parts else None
            if span and last and last.stop == span.start:
                parts[-1] = Part(work, Span(last.start, span.stop))
            else:
                parts.append(Part(work, span))
        self._in_flight[work.name] += len(parts)
        return parts

    def _take(self, work: Work, objects: int) -> list[Span | None]:
        taken, self._unsent[work.name] = self._unsent[work.name][:objects], self._unsent[work.name][objects:]
        self._left[work.name] -= sum(span.length for span in taken if span)
        if work.is_local:
            self._in_flight[work.name] += 1
        return taken

    def _end(self, work: Work) -> None:
        """Note the end of one part; the work is complete if none is left."""
        self._in_flight[work.name] -= 1
        if not self._in_flight[work.name] and not self._unsent[work.name] and work.name not in self._failed:
            self._done.add(work.name)
            for name in self._graph.successors[work.name]:
                self._waits[name].discard(work.name)
