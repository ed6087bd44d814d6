"""The schedule of a run: every sample is handed out once, in order of priority, in children of bounded size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.scheduling.pace import Pace
from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import Sizing
from flows.scheduling.works import Graph, Work
from storage.spans import Span, cut

SHARD = 10
SIZES = st.lists(st.integers(1, 95), min_size=1, max_size=6)
SAMPLES = st.one_of(st.none(), st.just("auto"), st.integers(1, 200))
KNOWN = Pace().including("extract-outputs", None, passes=100, seconds=100)  # a pass takes a second


def extraction(name, samples, **settings):
    return Work(name=name, kind="extract-outputs", dataset=name, spans=tuple(cut(samples, SHARD)), **settings)


def opened(works, **settings):
    """Return a schedule with all works open."""
    schedule = Schedule(Graph(works), **settings)
    for work in works:
        schedule.open(work.name)
    return schedule


def spans_of(parcel):
    return [(piece.work.name, piece.span) for piece in parcel.pieces]


def drained(schedule, workers=4):
    """Hand out everything."""
    parcels = []
    while parcel := schedule.next_parcel(workers):
        parcels.append(parcel)
    return parcels


@given(SIZES, SAMPLES, st.integers(1, 9), st.booleans())
def test_every_object_is_handed_out_once(sizes, samples, workers, is_known):
    """With any setting the pieces of all children are whole objects, and cover each sample of each work once."""
    works = [extraction(f"d{i}", size) for i, size in enumerate(sizes)]
    schedule = opened(works, sizing=Sizing(samples=samples), pace=KNOWN if is_known else None)
    parcels = drained(schedule, workers)
    found = sorted((piece.work.name, one) for p in parcels for piece in p.pieces for one in piece.objects)
    assert found == sorted((work.name, span) for work in works for span in work.spans)
    assert all(piece.span.length == sum(one.length for one in piece.objects) for p in parcels for piece in p.pieces)
    ended = [name for parcel in parcels for name in schedule.ended(parcel)]
    assert sorted(ended) == [work.name for work in works]
    assert schedule.in_flight == 0


@given(SIZES, st.data())
def test_lost_children_are_handed_out_again(sizes, data):
    """Whatever children are lost, each object is completed once in the end."""
    works = [extraction(f"d{i}", size) for i, size in enumerate(sizes)]
    schedule, completed = opened(works, pace=KNOWN), []
    for _ in range(200):
        if not (parcel := schedule.next_parcel(3)):
            break
        if data.draw(st.booleans()):
            schedule.again(parcel)
        else:
            completed += [(piece.work.name, one) for piece in parcel.pieces for one in piece.objects]
            schedule.ended(parcel)
    completed += [(p.work.name, one) for parcel in drained(schedule) for p in parcel.pieces for one in p.objects]
    assert sorted(completed) == sorted((work.name, span) for work in works for span in work.spans)


def test_the_longest_path_goes_first():
    """A short work with a long one behind it goes before a longer work, and works of equal paths go by their names."""
    works = [
        extraction("b", 30),
        extraction("a", 30),
        extraction("short", 10),
        Work(name="learn", kind="merge-weights", seconds=1000, after=("short",)),
    ]
    schedule = Schedule(Graph(works), Sizing(samples=None), KNOWN)
    for name in ("b", "a", "short"):
        schedule.open(name)
    assert [parcel.pieces[0].work.name for parcel in drained(schedule)] == ["short", "a", "b"]


def test_a_child_of_unknown_speed_takes_one_object():
    """Nobody knows how long more would take; works of unknown speed do not travel together either."""
    schedule = opened([extraction("a", 30), extraction("b", 5)])
    assert spans_of(schedule.next_parcel(1)) == [("a", Span(0, 10))]
    assert spans_of(schedule.next_parcel(1)) == [("a", Span(10, 20))]


def test_small_works_of_one_kind_travel_together():
    """A child of the last small data sets takes all of them, but no work of another flow."""
    other = Work(name="z", kind="evaluate-merges", dataset="a", spans=(Span(0, 3),))
    schedule = opened([extraction("a", 12), extraction("b", 4), extraction("c", 3), other], pace=KNOWN)
    assert spans_of(schedule.next_parcel(1)) == [("a", Span(0, 12)), ("b", Span(0, 4)), ("c", Span(0, 3))]
    assert spans_of(schedule.next_parcel(1)) == [("z", Span(0, 3))]


def test_children_shrink_towards_the_end():
    """With much work left a child takes the longest time allowed, and no child takes more than the one before it."""
    sizing = Sizing(start_seconds=5, longest_seconds=600)
    schedule = opened([extraction("a", 20_000)], sizing=sizing, pace=KNOWN)
    lengths = [parcel.passes for parcel in drained(schedule, workers=8)]
    assert lengths[0] == 600
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] <= 20


def test_a_number_of_samples_is_rounded_up_to_objects():
    """As the setting says; the last child takes the rest."""
    schedule = opened([extraction("a", 45)], sizing=Sizing(samples=15), pace=KNOWN)
    assert [spans_of(p)[0][1] for p in drained(schedule)] == [Span(0, 20), Span(20, 40), Span(40, 45)]


def test_objects_that_are_not_adjacent_are_pieces_of_their_own():
    """The samples between them are complete, or another child computes them."""
    schedule = Schedule(Graph([extraction("a", 50)]), Sizing(samples=None))
    schedule.open("a", [Span(0, 10), Span(10, 20), Span(40, 50)])
    assert spans_of(schedule.next_parcel(2)) == [("a", Span(0, 20)), ("a", Span(40, 50))]


def test_a_measurement_sets_the_size_of_later_children():
    """A child that took ten seconds for an object is followed by one of sixty objects."""
    schedule = opened([extraction("a", 10_000)])
    schedule.ended(schedule.next_parcel(1), seconds=10)
    assert schedule.next_parcel(1).passes == 600


def test_a_failed_child_of_several_works_is_taken_apart():
    """Each of its works is tried alone, so that one bad data set takes no other with it."""
    schedule = opened([extraction("a", 12), extraction("b", 4)], pace=KNOWN)
    assert schedule.failed(schedule.next_parcel(1)) == []
    first, second = drained(schedule, workers=1)
    assert (spans_of(first), spans_of(second)) == ([("a", Span(0, 12))], [("b", Span(0, 4))])
    assert schedule.failed(first) == ["a"]
    assert schedule.ended(second) == ["b"]
    assert (schedule.has_failed("a"), schedule.has_failed("b")) == (True, False)


def test_a_failed_work_ends_with_its_last_child():
    """No more of it is handed out, its children in flight may complete or be lost, and then it has ended."""
    schedule = opened([extraction("a", 50)], sizing=Sizing(samples=10))
    first, second, third = (schedule.next_parcel(1) for _ in range(3))
    assert schedule.failed(first) == []
    assert schedule.next_parcel(1) is None
    assert schedule.again(second) == []
    assert schedule.next_parcel(1) is None
    assert schedule.ended(third) == ["a"]
    assert schedule.has_failed("a")


def test_a_work_that_ended_can_be_opened_again():
    """Its objects were found damaged: those that are named are handed out."""
    schedule = opened([extraction("a", 20)], sizing=Sizing(samples=None))
    assert schedule.failed(schedule.next_parcel(1)) == ["a"]
    schedule.open("a", [Span(10, 20)])
    assert not schedule.has_failed("a")
    parcel = schedule.next_parcel(1)
    assert spans_of(parcel) == [("a", Span(10, 20))]
    assert schedule.ended(parcel) == ["a"]


@pytest.mark.parametrize(
    ("name", "spans", "message"),
    [
        ("a", None, "a is open already"),
        ("fit", None, "fit: the parent computes it, no child does"),
        ("b", [], "b: wanted samples to compute, got none"),
    ],
)
def test_works_that_cannot_be_opened_are_refused(name, spans, message):
    """The message names the work, and the reason."""
    fit = Work(name="fit", kind="fit", is_local=True)
    schedule = Schedule(Graph([extraction("a", 5), extraction("b", 5), fit]))
    schedule.open("a")
    with pytest.raises(ValueError, match=message):
        schedule.open(name, spans)
