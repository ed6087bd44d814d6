"""The works of a run, and the graph of their order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from storage.spans import Span


@dataclass(frozen=True, kw_only=True)
class Work:
    """A stage of a run on one data set, such as the extraction of its outputs.

    Works of one kind can travel together in one child, so the kind is the name of the child's flow.
    """

    name: str
    """Unique in the run; decides between works of equal priority."""
    kind: str
    """The name of the flow, such as `extract-outputs`; works that the parent computes have kinds of their own."""
    dataset: str | None = None
    """Name of the data set; None: the work concerns no single one."""
    spans: tuple[Span, ...] = ()
    """The samples to compute, in order, an object of the store each; empty: the work is indivisible."""
    passes: float = 1.0
    """Forward passes that each sample takes, those of all models and merges together."""
    seconds: float = 0.0
    """Expected seconds of an indivisible work; without meaning for the others."""
    after: tuple[str, ...] = ()
    """Names of the works that have to be complete first."""
    is_local: bool = False
    """Whether the parent computes the work itself, such as a fit; it then takes no worker."""

    @property
    def samples(self) -> int:
        """The number of samples to compute."""
        return sum(span.length for span in self.spans)


class Piece(NamedTuple):
    """Adjacent samples of a work, in whole objects of the store; the whole work if it is indivisible."""

    work: Work
    span: Span | None
    """None: the work is indivisible."""

    @property
    def objects(self) -> list[Span | None]:
        """The spans of the piece's objects; [None] for an indivisible work."""
        if self.span is None:
            return [None]
        start, stop = self.span
        return [span for span in self.work.spans if start <= span.start and span.stop <= stop]

    @property
    def passes(self) -> float:
        """The number of forward passes."""
        return self.work.passes * self.span.length if self.span else 0.0


class Parcel(NamedTuple):
    """The pieces that one child computes, in order; all of them have the same kind."""

    number: int
    """Counts the parcels of a schedule, from 0."""
    pieces: tuple[Piece, ...]

    @property
    def kind(self) -> str:
        """The kind of all works in the parcel: the name of the child's flow."""
        return self.pieces[0].work.kind

    @property
    def works(self) -> tuple[Work, ...]:
        """The works in the parcel, each once."""
        return tuple({piece.work.name: piece.work for piece in self.pieces}.values())

    @property
    def passes(self) -> float:
        """The number of forward passes."""
        return sum(piece.passes for piece in self.pieces)


class Graph:
    """Works and their order.

    Args:
        works: in any order; those that a work waits for are among them.

    Raises:
        ValueError: two works have the same name, a work waits for an unknown one, or works wait for each other.

    Example:
        >>> extract = Work(name="extract a", kind="extract-outputs", dataset="a", spans=(Span(0, 8),))
        >>> fit = Work(name="fit a", kind="fit", dataset="a", after=("extract a",), is_local=True)
        >>> [work.name for work in Graph([fit, extract])]
        ['extract a', 'fit a']
    """

    def __init__(self, works: Iterable[Work]) -> None:
        given = sorted(works, key=lambda work: work.name)
        if twice := [name for name, count in Counter(work.name for work in given).items() if count > 1]:
            raise ValueError(f"works need different names; twice: {', '.join(twice)}")
        known = {work.name: work for work in given}
        for work in given:
            if unknown := [name for name in work.after if name not in known]:
                raise ValueError(f"{work.name} waits for {', '.join(unknown)}; known: {', '.join(known)}")
        sorter = TopologicalSorter({work.name: work.after for work in given})
        try:
            self._works = {name: known[name] for name in sorter.static_order()}
        except CycleError as error:
            raise ValueError(f"works wait for each other: {', '.join(error.args[1])}") from error

    def __iter__(self) -> Iterator[Work]:
        """Iterate over the works, each after those that it waits for."""
        return iter(self._works.values())

    def __getitem__(self, name: str) -> Work:
        """Return the work of a name."""
        return self._works[name]

    def __len__(self) -> int:
        """Return the number of works."""
        return len(self._works)

    @cached_property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the works that wait for each work, by its name."""
        found: dict[str, list[str]] = {name: [] for name in self._works}
        for work in self:
            for before in dict.fromkeys(work.after):
                found[before].append(work.name)
        return {name: tuple(names) for name, names in found.items()}
