"""The objects that a run's results need: every table that its plan looks for, with every method."""

import pytest
import tiny

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.store import Store
from tasks.references.needed import is_needed, needed


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Plans the small example with overrides: `planned("merge.clusters=2")`."""
    folder = tmp_path_factory.mktemp("planned")
    file = tiny.experiment(folder)

    def plan(*overrides):
        return checked_plan(load_experiment(str(file), overrides), Store(str(folder / "store")), remember=False)

    return plan


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("merge.granularity=[clusters, bins, samples]", "merge.expertise=margin"),
        ("merge.granularity=[]", "baselines=[uniform-soup]"),
        ("merge.granularity=[]", "baselines=[individual/base]"),
        ("baselines=[output-ensemble, classifier-selection, random]",),
        ("merge.granularity=[]", "baselines=[ties, adamerging]"),
    ],
)
def test_whatever_a_plan_looks_for_is_needed(planned, overrides):
    """So a rerun of a finished run finds all of it after the store was pruned."""
    plan = planned(*overrides)
    outputs = [one for of_dataset in plan.outputs for one in of_dataset]
    places = {*needed(plan.record, plan.cells, outputs)}
    wanted = [one.prefix for one in outputs]
    for dataset in plan.datasets:
        tables = [plan.judges, plan.coefficients, plan.mixtures, plan.bins, plan.merges, plan.ensembles]
        wanted += [one.prefix for of_dataset in tables for one in of_dataset(dataset)]
        wanted += [mixture.components_key for mixture in plan.mixtures(dataset)]
    wanted += [model.key for model in plan.made_models]
    assert wanted
    assert not [place for place in wanted if not is_needed(place, places)]
    assert {place.split("/")[0] for place in places} >= {"outputs", "samples", "datasets"}
