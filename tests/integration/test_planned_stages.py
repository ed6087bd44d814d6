"""The stages that a plan announces are those that the run goes through, with the same counts."""

import asyncio

import pytest
import tiny

from flows.display.planned import planned_stages
from flows.display.stages import Stages
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.written_plan import write_plan
from flows.run_experiment import run_experiment
from storage.store import Store
from tasks.progress import listening

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]

CASES = {
    "two passes": ((), ["extract", "fit", "evaluate", "mix outputs", "aggregate"]),
    "one pass": (
        ("merge.granularity=[samples]", "merge.offset=false", "baselines=[wise-ft]"),
        ["extract", "fit", "aggregate"],
    ),
    "a made model that judges": (
        ("merge.expertise=loss-merged", "baselines=[individual]", "merge.granularity=[samples]"),
        ["extract", "make models", "fit", "evaluate", "aggregate"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_stage_does_as_much_as_the_plan_has_announced(tmp_path, case):
    """Bars end at their whole length: no stage does more or less, and none is left out."""
    overrides, names = CASES[case]
    experiment = load_experiment(tiny.experiment(tmp_path, samples=8), overrides)
    plan = checked_plan(experiment, Store(str(tmp_path / "store")))
    planned = {s.name: (s.planned, s.unit) for s in planned_stages(plan, plan.steps()) if s.planned}
    stages = Stages()
    with listening(stages):
        asyncio.run(run_experiment(experiment, plan.store.url, write_plan(plan)))
    assert sorted(planned) == sorted(names)
    assert {stage.name: (stage.done, stage.unit) for stage in stages.all} == planned
