"""Data sets of a plan: cut into objects as the store records it, whatever the settings of the run are."""

import pytest
import tiny

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.reports.plan_text import facts_text
from storage import keys
from storage.cuts import record_of
from storage.store import Store


@pytest.fixture
def experiment(tmp_path):
    """An experiment of two data sets, and an empty store."""
    return tiny.experiment(tmp_path), Store(str(tmp_path / "store"))


def shards(experiment, *settings, **options):
    """Return the samples of an object of each data set, as planned."""
    file, store = experiment
    return [dataset.shard for dataset in checked_plan(load_experiment(file, settings), store, **options).datasets]


def test_a_look_shows_the_samples_of_an_object_and_writes_nothing(experiment):
    """`dawin plan` says the number that a run would choose: the most, for a few classes."""
    file, store = experiment
    plan = checked_plan(load_experiment(file), store, remember=False)
    assert [dataset.shard for dataset in plan.datasets] == [32_768, 32_768]
    assert "objects of 32,768 samples" in facts_text(plan)
    assert store.listing() == {}


def test_runs_with_other_settings_reuse_the_recorded_cut(experiment):
    """A record of an earlier run decides, and precision, type of logits and methods change nothing about it."""
    _, store = experiment
    plan = checked_plan(load_experiment(experiment[0]), store)
    one, two = plan.datasets
    assert sorted(store.listing("datasets")) == sorted(keys.cut(dataset.digest) for dataset in (one, two))
    store.replace(keys.cut(one.digest), record_of(8192))
    assert shards(experiment) == [8192, 32_768]
    assert shards(experiment, "precision=bf16", "logits=fp16", "merge.granularity=[samples]") == [8192, 32_768]
    assert "objects of 8,192 samples: one; of 32,768 samples: two" in facts_text(
        checked_plan(load_experiment(experiment[0]), store, remember=False)
    )


def test_a_cut_that_a_caller_names_is_used_and_not_recorded(experiment):
    """The names of the samples are then cut so, and a later run without a record reuses them."""
    _, store = experiment
    assert shards(experiment, shard=7) == [7, 7]
    assert store.listing("datasets") == {}
    assert shards(experiment) == [7, 7]
