"""The works of a run: their order, and the refusal of works that cannot be ordered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.scheduling.paths import remaining_paths
from flows.scheduling.works import Graph, Parcel, Piece, Work
from storage.spans import Span, cut


def work(name, *after, **settings):
    return Work(name=name, kind="extract-outputs", after=after, **settings)


@st.composite
def graphs(draw):
    """Works that wait for earlier ones only."""
    names = [f"w{i}" for i in range(draw(st.integers(1, 8)))]
    chosen = [draw(st.sets(st.sampled_from(names[:i]))) if i else set() for i in range(len(names))]
    return Graph([work(name, *after) for name, after in zip(names, chosen, strict=True)])


@given(graphs())
def test_a_work_comes_after_all_works_that_it_waits_for(graph):
    """The iteration is a topological order of all works."""
    seen = set()
    for one in graph:
        assert set(one.after) <= seen
        seen.add(one.name)
    assert len(seen) == len(graph)


@given(graphs())
def test_a_path_is_its_first_work_and_the_longest_path_behind_it(graph):
    """No work has a shorter path than one that waits for it, and the last work of a path has its own length."""
    lengths = {one.name: 1.0 + i for i, one in enumerate(graph)}
    paths = remaining_paths(graph, lengths)
    for one in graph:
        behind = [paths[name] for name in graph.successors[one.name]]
        assert paths[one.name] == lengths[one.name] + max(behind, default=0)


@given(graphs(), st.integers(0, 7), st.floats(0.1, 100))
def test_a_longer_work_shortens_no_path(graph, index, more):
    """Paths are monotone in the length of each work."""
    lengths = {one.name: 1.0 for one in graph}
    longer = {**lengths, list(graph)[index % len(graph)].name: 1.0 + more}
    before, after = remaining_paths(graph, lengths), remaining_paths(graph, longer)
    assert all(after[name] >= before[name] for name in before)


def test_two_works_of_one_name_are_refused():
    """The message names the works that are there twice."""
    with pytest.raises(ValueError, match="works need different names; twice: a"):
        Graph([work("a"), work("a"), work("b")])


def test_an_unknown_work_is_refused():
    """The message names the unknown work, and the known ones."""
    with pytest.raises(ValueError, match="b waits for x; known: a, b"):
        Graph([work("a"), work("b", "x")])


def test_works_that_wait_for_each_other_are_refused():
    """The message names the circle."""
    with pytest.raises(ValueError, match=r"works wait for each other: (a, b, a|b, a, b)"):
        Graph([work("a", "b"), work("b", "a")])


def test_a_parcel_counts_the_passes_of_its_pieces():
    """Passes are samples times the passes of each; an indivisible work has none."""
    first = work("a", spans=tuple(cut(20, 8)), passes=3)
    pieces = (Piece(first, Span(8, 20)), Piece(work("b"), None))
    parcel = Parcel(0, pieces)
    assert (parcel.passes, parcel.kind, [one.name for one in parcel.works]) == (36, "extract-outputs", ["a", "b"])
    assert pieces[0].objects == [Span(8, 16), Span(16, 20)]
    assert pieces[1].objects == [None]
