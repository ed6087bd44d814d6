"""The size of children, the number in flight, and the measured speed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.scheduling.pace import Pace
from flows.scheduling.sizes import Sizing, child_seconds, most_in_flight

SECONDS = st.floats(0, 1e7)
WORKERS = st.integers(1, 1000)
RUNS = st.integers(1, 100)


@given(SECONDS, WORKERS, RUNS)
def test_a_child_takes_four_starts_to_ten_minutes(ready, workers, runs):
    """Less only where the rest, divided by the workers, is less: then others would have nothing to do."""
    sizing = Sizing(start_seconds=6, longest_seconds=600)
    assert min(24, ready * runs / workers) <= child_seconds(ready, workers, sizing, runs) <= 600


@given(SECONDS, SECONDS, WORKERS, WORKERS, RUNS)
def test_children_grow_with_the_work_and_shrink_with_the_workers(one, other, few, many, runs):
    """The size is monotone in both."""
    less, more = sorted((one, other))
    few, many = sorted((few, many))
    assert child_seconds(less, few, Sizing(), runs) <= child_seconds(more, few, Sizing(), runs)
    assert child_seconds(more, many, Sizing(), runs) <= child_seconds(more, few, Sizing(), runs)


def test_one_worker_takes_all_of_a_small_run():
    """No other worker could help, so a second child would only cost its start."""
    assert child_seconds(300, 1, Sizing()) == 300


@given(WORKERS, RUNS)
def test_a_run_keeps_two_children_for_each_worker_of_its_share(workers, runs):
    """All runs together leave no worker without a child."""
    assert runs * most_in_flight(workers, runs) >= workers
    assert most_in_flight(workers) == 2 * workers


@given(st.lists(st.tuples(st.floats(1, 1e4), st.floats(0.1, 1e4)), min_size=1))
def test_a_rate_lies_between_the_slowest_and_the_fastest_measurement(measured):
    """It is a mean of them, weighted by their seconds."""
    pace = Pace()
    for passes, seconds in measured:
        pace = pace.including("extract-outputs", "a", passes=passes, seconds=seconds)
    rates = [passes / seconds for passes, seconds in measured]
    assert min(rates) * (1 - 1e-9) <= pace.rate("extract-outputs", "a") <= max(rates) * (1 + 1e-9)


def test_a_rate_is_the_nearest_that_is_known():
    """That of the kind on the data set, else of the kind, else of anything, else unknown."""
    pace = Pace().including("extract-outputs", "a", passes=100, seconds=1)
    pace = pace.including("extract-outputs", "b", passes=100, seconds=3)
    assert pace.rate("extract-outputs", "a") == 100
    assert pace.rate("extract-outputs", "c") == 50
    assert pace.rate("evaluate-merges", "a") == 50
    assert Pace().rate("extract-outputs", "a") is None


@pytest.mark.parametrize(("passes", "seconds"), [(0, 5), (5, 0), (5, -1)])
def test_a_measurement_of_nothing_changes_nothing(passes, seconds):
    """A child that found everything in the store says nothing about speed."""
    assert Pace().including("extract-outputs", "a", passes=passes, seconds=seconds) == Pace()
