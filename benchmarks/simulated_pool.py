"""A pool of workers in simulated time, with parents that decide by `flows.scheduling`.

No process starts, and no clock is read. A worker takes the child that was sent first. Its time for an object of the
store is the passes over its own speed, times a random factor of the object. A child that dies leaves its complete
objects in the store; it is sent again when its loss is noticed, and computes the rest.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import Sizing, most_in_flight
from flows.scheduling.works import Graph, Parcel, Work
from storage.spans import Span


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The workers, and the cost of a child."""

    workers: int
    rate: float = 250.0
    """Forward passes a second of the mean worker."""
    spread: float = 0.2
    """Speeds of workers lie within 1 − spread and 1 + spread of the mean, uniformly."""
    noise: float = 0.05
    """Standard deviation of the logarithm of the factor of an object's time."""
    start_seconds: float = 1.5
    """From a child's turn to the loading of its models."""
    load_seconds: float = 1.0
    """Loading one model."""
    poll_seconds: float = 1.0
    """The longest time from a child's end until its parent knows of it."""
    deaths: float = 0.0
    """Probability that a child dies, at any moment of its life."""
    notice_seconds: float = 10.0
    """From a child's death until it is sent again."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How parents send children."""

    sizing: Sizing | None = None
    """None: that of a run, `auto`."""
    in_flight: int | None = None
    """Children that a parent has sent and not seen end; None: as `flows.scheduling.sizes` says."""


class Object(NamedTuple):
    """An object of the store: a span of a work; all of an indivisible work."""

    work: str
    span: Span | None


@dataclass
class Outcome:
    """The end of a simulation."""

    makespan: float
    bound: float
    """The largest of the two lower bounds, in seconds."""
    chain: float
    """The longest chain of works, each as long as its longest object on the fastest worker, without starts."""
    children: int
    computed: Mapping[Object, float]
    """The seconds that each object took; the last time, if a death lost it."""
    times: Mapping[Object, int]
    """How often each object was completed."""
    sent: Sequence[Parcel]
    """All parcels in the order in which they were sent, those that were sent again too."""

    @property
    def ratio(self) -> float:
        """Makespan over the lower bound."""
        return self.makespan / self.bound


class _Parent:
    """A run that opens works as soon as those are complete that they wait for, and sends their children."""

    def __init__(self, graph: Graph, sizing: Sizing) -> None:
        self.graph, self.schedule = graph, Schedule(graph, sizing)
        self.in_flight, self.is_computing = 0, False
        self.waits = {work.name: set(work.after) for work in graph}
        self.local: list[Work] = []
        self.left = len(graph)
        for work in graph:
            self._open(work)

    def complete(self, names: Iterable[str]) -> None:
        """Note that works are complete, and open those that waited for them alone."""
        for name in names:
            self.left -= 1
            for later in self.graph.successors[name]:
                self.waits[later].discard(name)
                self._open(self.graph[later])

    def _open(self, work: Work) -> None:
        if self.waits[work.name]:
            return
        if work.is_local:
            self.local.append(work)
        else:
            self.schedule.open(work.name)


@dataclass
class _State:
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    queue: deque[tuple[_Parent, Parcel, bool]] = field(default_factory=deque)
    computed: dict[Object, float] = field(default_factory=dict)
    times: dict[Object, int] = field(default_factory=dict)
    sent: list[Parcel] = field(default_factory=list)
    count: int = 0
    end: float = 0.0


class Simulation:
    """One run of a pool, from the first child to the last.

    Args:
        graphs: the works of each run; several runs share the pool.
        models: the names of the models that a work loads, by the work's name; works without an entry load none.
        pool: the workers.
        policy: how parents send children.
        seed: of speeds, factors, deaths and the choice among idle workers.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        models: Mapping[str, frozenset[str]],
        pool: Pool,
        policy: Policy | None = None,
        seed: int = 1,
    ) -> None:
        self._graphs, self._models, self._pool, self._policy = graphs, models, pool, policy or Policy()
        self._random = random.Random(seed)
        draw = self._random.uniform
        self._speeds = [draw(1 - pool.spread, 1 + pool.spread) for _ in range(pool.workers)]
        self._factors = {
            Object(work.name, span): self._random.lognormvariate(0, pool.noise)
            for graph in graphs
            for work in graph
            for span in (work.spans or (None,))
            if not work.is_local
        }
        sizing = self._policy.sizing or Sizing()
        self._parents = [_Parent(graph, sizing) for graph in graphs]
        self._idle, self._state = list(range(pool.workers)), _State()

    def run(self) -> Outcome:
        """Simulate until all works are complete.

        Raises:
            RuntimeError: works are left that nothing can start.
        """
        state = self._state
        for parent in self._parents:
            self._step(parent, 0.0)
        while state.events:
            now, _, happen = heapq.heappop(state.events)
            happen(now)
        if left := sum(parent.left for parent in self._parents):
            raise RuntimeError(f"{left} works never started")
        area, chain = self._area(), max(map(self._chain, self._graphs))
        return Outcome(
            state.end, max(area, chain), chain, len(state.sent), state.computed, state.times, tuple(state.sent)
        )

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        self._state.count += 1
        heapq.heappush(self._state.events, (when, self._state.count, happen))

    def _step(self, parent: _Parent, now: float) -> None:
        """Let a parent compute and send what it can, and give idle workers their children."""
        self._compute_locally(parent, now)
        active = sum(bool(one.left) for one in self._parents) or 1
        most = self._policy.in_flight or most_in_flight(self._pool.workers, active)
        while parent.in_flight < most and (parcel := parent.schedule.next_parcel(self._pool.workers, active)):
            parent.in_flight += 1
            self._state.queue.append((parent, parcel, True))
        self._assign(now)

    def _compute_locally(self, parent: _Parent, now: float) -> None:
        if parent.local and not parent.is_computing:
            work, parent.is_computing = parent.local.pop(0), True

            def end(now: float) -> None:
                parent.is_computing = False
                parent.complete([work.name])
                self._state.end = now
                self._step(parent, now)

            self._at(now + work.seconds, end)

    def _assign(self, now: float) -> None:
        while self._idle and self._state.queue:
            worker = self._idle.pop(self._random.randrange(len(self._idle)))
            self._start(worker, *self._state.queue.popleft(), now)

    def _start(self, worker: int, parent: _Parent, parcel: Parcel, is_first: bool, now: float) -> None:
        """Let a worker run a child: to its end, or to its death."""
        self._state.sent.append(parcel)
        models = {model for work in parcel.works for model in self._models.get(work.name, ())}
        ready = now + self._pool.start_seconds + self._pool.load_seconds * len(models)
        ends, when = list[tuple[float, Object, float]](), ready
        for one in _objects(parcel):
            if one not in self._state.times:
                seconds = self._nominal(parcel, one) / self._speeds[worker]
                when += seconds
                ends.append((when, one, seconds))
        dies = self._random.random() < self._pool.deaths
        stop = now + (when - now) * self._random.random() if dies else when

        def free(now: float) -> None:
            for end, one, seconds in ends:
                if end <= stop:
                    self._state.computed[one] = seconds
                    self._state.times[one] = self._state.times.get(one, 0) + 1
            self._state.end = now
            self._idle.append(worker)
            self._assign(now)

        def know(now: float) -> None:
            parent.in_flight -= 1
            parent.complete(parent.schedule.ended(parcel, stop - loading if is_first else None))
            self._step(parent, now)

        def send_again(now: float) -> None:
            self._state.queue.append((parent, parcel, False))
            self._assign(now)

        loading = now + self._pool.start_seconds
        self._at(stop, free)
        if dies:
            self._at(stop + self._pool.notice_seconds, send_again)
        else:
            self._at(stop + self._random.uniform(0, self._pool.poll_seconds), know)

    def _nominal(self, parcel: Parcel, one: Object) -> float:
        work = next(work for work in parcel.works if work.name == one.work)
        return self._factors[one] * _nominal(work, one.span, self._pool.rate)

    def _area(self) -> float:
        """Return the seconds of all work on workers that never wait."""
        total = sum(
            self._factors[Object(work.name, span)] * _nominal(work, span, self._pool.rate)
            for graph in self._graphs
            for work in graph
            if not work.is_local
            for span in (work.spans or (None,))
        )
        return total / sum(self._speeds)

    def _shortest(self, work: Work, span: Span | None) -> float:
        """Return the seconds of an object on the fastest worker."""
        return self._factors[Object(work.name, span)] * _nominal(work, span, self._pool.rate) / max(self._speeds)

    def _chain(self, graph: Graph) -> float:
        ends: dict[str, float] = {}
        for work in graph:
            objects = (
                [self._shortest(work, span) for span in work.spans or (None,)]
                if (not work.is_local)
                else [work.seconds]
            )
            ends[work.name] = max(objects) + max((ends[name] for name in work.after), default=0.0)
        return max(ends.values())


def _nominal(work: Work, span: Span | None, rate: float) -> float:
    """Return the seconds of an object on the mean worker."""
    return work.passes * span.length / rate if span else work.seconds


def _objects(parcel: Parcel) -> list[Object]:
    return [Object(piece.work.name, span) for piece in parcel.pieces for span in piece.objects]
