"""The simulated pool: laws that any schedule obeys, and the goals of this one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mixes import IMAGENET, Images, runs_of
from benchmarks.simulated_pool import Policy, Pool, Simulation
from flows.scheduling.sizes import Sizing
from flows.scheduling.works import Graph, Work
from storage.spans import cut

SAMPLES = st.one_of(st.none(), st.just("auto"), st.just(8192))


@st.composite
def pools(draw):
    return Pool(
        workers=draw(st.integers(1, 12)),
        rate=draw(st.sampled_from([50.0, 5000.0])),
        start_seconds=draw(st.sampled_from([0.0, 6.0])),
        deaths=draw(st.sampled_from([0.0, 0.2])),
    )


def simulated(runs, pool, policy=None, seed=1):
    return Simulation(runs.graphs, runs.models, pool, policy, seed).run()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=4), st.integers(1, 3), pools(), SAMPLES, st.integers(0, 9))
def test_no_run_ends_before_the_bound_and_every_object_is_computed_once(sizes, checkpoints, pool, samples, seed):
    """Also with deaths: a child that is sent again computes what the store does not hold."""
    runs = runs_of({f"d{i}": Images(size) for i, size in enumerate(sizes)}, checkpoints, "clusters")
    found = simulated(runs, pool, Policy(sizing=Sizing(samples=samples)), seed)
    assert found.makespan >= found.bound
    wanted = {(w.name, span) for graph in runs.graphs for w in graph if not w.is_local for span in w.spans}
    assert set(found.times) == wanted
    assert set(found.times.values()) == {1}


def test_equal_seeds_give_equal_outcomes_and_others_do_not():
    """Nothing depends on anything but the arguments."""
    runs, pool = runs_of(IMAGENET, 1, "samples"), Pool(workers=8, deaths=0.1)
    assert simulated(runs, pool, seed=3) == simulated(runs, pool, seed=3)
    assert simulated(runs, pool, seed=3).makespan != simulated(runs, pool, seed=4).makespan


def test_children_that_die_are_sent_again():
    """Their parcels are sent more often than once, and the run takes longer than without deaths."""
    runs, pool = runs_of(IMAGENET, 1, "clusters"), Pool(workers=8)
    well, ill = simulated(runs, pool), simulated(runs, replace(pool, deaths=0.3))
    assert len({parcel.number for parcel in well.sent}) == len(well.sent)
    assert len({parcel.number for parcel in ill.sent}) < len(ill.sent)
    assert ill.makespan > well.makespan


def test_one_work_on_one_worker_takes_its_time_and_a_start():
    """By hand: 1,000 passes at 10 a second, after a start of 5 s and a model of 2 s."""
    work = Work(name="a", kind="extract-outputs", dataset="a", spans=tuple(cut(500, 100)), passes=2)
    pool = Pool(workers=1, rate=10, spread=0, noise=0, start_seconds=5, load_seconds=2, poll_seconds=0)
    whole = Policy(sizing=Sizing(samples=None))
    found = Simulation([Graph([work])], {"a": frozenset({"base"})}, pool, whole).run()
    assert found.makespan == pytest.approx(107)
    assert found.bound == pytest.approx(100)


def test_no_evaluation_starts_before_its_data_set_is_fitted():
    """The first child that evaluates a data set is sent after the last one that extracts it."""
    found = simulated(runs_of(IMAGENET, 1, "clusters"), Pool(workers=8))
    for name in IMAGENET:
        kinds = [p.work.kind for parcel in found.sent for p in parcel.pieces if p.work.dataset == name]
        assert kinds == sorted(kinds, reverse=True)


def test_the_goals_that_docs_claim_are_met():
    """Eight workers stay below 1.10 of the bound with ten checkpoints, and 100 workers below 1.15 with a hundred."""
    assert simulated(runs_of(IMAGENET, 10, "clusters"), Pool(workers=8)).ratio < 1.10
    assert simulated(runs_of(IMAGENET, 100, "clusters"), Pool(workers=100)).ratio < 1.15


def test_barriers_and_whole_data_sets_are_slower():
    """A single checkpoint on 100 workers: a worker of the largest data set is busy, and all others wait."""
    runs, pool = runs_of(IMAGENET, 1, "clusters"), Pool(workers=100)
    whole = simulated(runs.barred, pool, Policy(sizing=Sizing(samples=None), in_flight=64))
    assert simulated(runs, pool).makespan * 3 < whole.makespan
