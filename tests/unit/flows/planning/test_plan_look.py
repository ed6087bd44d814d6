"""One look for all questions about a plan: its answers are those of separate looks."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.planning import Prepared, commit_all, experiment_of, summary
from flows.planning.check import checked_plan
from flows.planning.checkpoints import Checkpoints
from flows.planning.written_plan import read_plan, write_plan
from storage import keys
from storage.soundness import is_committed, missing_spans
from storage.store import Store

SETTINGS = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def plan(tmp_path):
    """The plan of three models on six data sets of two spans each, in an empty store."""
    store = Store(str(tmp_path / "store"))
    checkpoints = Checkpoints(store, None, remember=False, check=summary)
    experiment = experiment_of(tmp_path, 3)
    return checked_plan(experiment, store, checkpoints=checkpoints, datasets=Prepared(10_000), remember=False)


def tables(plan):
    """All tables of a plan but fitted ones."""
    own = [one for outputs in plan.outputs for one in outputs]
    return [*own, *(one for d in plan.datasets for kind in (plan.merges, plan.ensembles) for one in kind(d))]


@given(harmed=st.lists(st.integers(0, 10_000), max_size=8))
@SETTINGS
def test_a_shared_look_answers_as_separate_looks_do(plan, tmp_path_factory, harmed):
    """Whichever objects and manifests another process has deleted."""
    plan = replace(plan, store=Store(str(tmp_path_factory.mktemp("harmed") / "store")))
    commit_all(plan, plan.store.replace)
    held = list(plan.store.keys())
    for key in {held[number % len(held)] for number in harmed}:
        plan.store.delete(key)
    separate = {one.prefix: missing_spans(plan.store, one.prefix, one.dataset.spans) for one in tables(plan)}
    assert [one.prefix for one in plan.missing(tables(plan))] == [key for key, spans in separate.items() if spans]
    missing = sum(span.length for spans in separate.values() for span in spans)
    assert plan.forward_passes.needed <= missing <= sum(step.missing for step in plan.steps())
    assert plan.has_results == is_committed(plan.store, plan.record.key, contents=True)
    fresh = replace(plan)
    assert (fresh.steps(), fresh.is_done) == (plan.steps(), plan.is_done)


def test_the_look_changes_when_it_is_renewed(plan):
    """Work of another process shows after `look_again`, also in the part of the plan on one data set."""
    assert plan.forward_passes.reused == 0
    part = plan.on("d1")
    assert len(part.missing(part.outputs[0])) == 3
    commit_all(plan, plan.store.replace)
    assert plan.forward_passes.reused == 0
    plan.look_again()
    assert plan.is_done
    part.look_again()
    assert part.missing(part.outputs[0]) == []


def test_a_written_plan_holds_each_record_once(plan):
    """A child reads the same plan, and models and long tuples stand in the text once."""
    key = write_plan(plan)
    found = read_plan(key, plan.store)
    assert (found.cells, found.outputs, found.record) == (plan.cells, plan.outputs, plan.record)
    text = plan.store.read(key).decode()
    assert all(text.count(outputs.model.digest) == 1 for outputs in plan.outputs[0])
    assert found.record.key == keys.results("many", plan.record.run_id)
