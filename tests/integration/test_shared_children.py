"""A child that computes samples of several data sets, or of several places in one, as small works travel together."""

import asyncio

import pytest
import tiny
from damage import delete

from flows.evaluate_merges import evaluate_merges
from flows.experiment.file import load_experiment
from flows.extract_outputs import extract_outputs
from flows.planning.check import checked_plan
from flows.planning.written_plan import write_plan
from flows.run_experiment import run_experiment
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def planned(tmp_path):
    """The plan of two data sets of 20 samples in three objects each, its key and its store."""
    experiment, store = load_experiment(tiny.experiment(tmp_path, samples=20)), Store(str(tmp_path / "store"))
    plan = checked_plan(experiment, store, shard=8)
    return experiment, plan, write_plan(plan), store


def left(plan, tables):
    """Return the spans that are missing of some tables of each data set, by its name."""
    plan.look_again()
    found = {}
    for dataset in plan.datasets:
        found[dataset.name] = {tuple(span) for table in tables(dataset) for span in plan.missing_spans(table)}
    return found


def outputs(plan):
    return lambda dataset: next(own for own in plan.outputs if own[0].dataset == dataset)


def test_one_child_extracts_samples_of_two_data_sets(planned):
    """It writes exactly the objects that it was given, of the data sets in turn."""
    _, plan, key, store = planned
    more = [("two", (0, 16)), ("one", (16, 20))]
    tally = asyncio.run(extract_outputs(key, "one", store.url, (0, 8), more=more))
    assert left(plan, outputs(plan)) == {"one": {(8, 16)}, "two": {(16, 20)}}
    assert tally == (2 * (8 + 16 + 4), 0)  # of two models
    asyncio.run(extract_outputs(key, "two", store.url, (16, 20), more=[("one", (8, 16))]))
    assert left(plan, outputs(plan)) == {"one": set(), "two": set()}


def test_one_child_evaluates_samples_of_two_data_sets(planned, tmp_path):
    """Its predictions are those of a run that nobody cut."""
    experiment, plan, key, store = planned
    asyncio.run(run_experiment(experiment, store.url, key))
    keys = [key for key in store.keys("predictions/") if key.endswith(".parquet")]
    before = {key: store.read(key) for key in keys}
    merged = {key for key in keys if any(merge.prefix in key for one in plan.datasets for merge in plan.merges(one))}
    for key in merged:
        delete(store, key)
    assert left(plan, plan.merges) == {"one": {(0, 8), (8, 16), (16, 20)}, "two": {(0, 8), (8, 16), (16, 20)}}
    asyncio.run(evaluate_merges(write_plan(plan), "two", store.url, (8, 20), more=[("one", (0, 20))]))
    assert left(plan, plan.merges) == {"one": set(), "two": {(0, 8)}}
    asyncio.run(evaluate_merges(write_plan(plan), "two", store.url, (0, 8)))
    assert {key: store.read(key) for key in keys} == before
