"""The stages of a run before it begins, from its plan."""

from collections.abc import Sequence

from flows.display.stages import Stage
from flows.planning.plan import MERGED, Plan, Step
from tasks.streaming.fill import PASSES


def planned_stages(plan: Plan, steps: Sequence[Step]) -> list[Stage]:
    """Return the stages of a run with the counts of what they have to do.

    Args:
        plan: the plan of the run.
        steps: the plan line by line, as from `Plan.steps`.
    """
    missing = {dataset.name: _Missing(steps, dataset.name, dataset.samples) for dataset in plan.datasets}
    extract = evaluate = 0
    for dataset in plan.datasets:
        found = missing[dataset.name]
        streamed = bool(found.outputs and found.merges and plan.streamed(dataset))
        extract += found.outputs + (found.merges if streamed else 0)
        evaluate += 0 if streamed else found.merges
    models = sum(step.missing for step in steps if step.stage == "merge" and not step.label.startswith("head "))
    return [
        Stage("upgrade", "predictions", sum(step.missing for step in steps if step.stage == "upgrade")),
        Stage("extract", PASSES, extract),
        Stage("make models", "models", models),
        Stage("fit", "tables", sum(found.fits for found in missing.values())),
        Stage("evaluate", PASSES, evaluate),
        Stage("mix outputs", PASSES, sum(found.mixes for found in missing.values())),
        _last(plan),
    ]


def _last(plan: Plan) -> Stage:
    if plan.ends_in == "file":
        return Stage("write", "images", sum(dataset.samples for dataset in plan.datasets))
    return Stage("aggregate", "cells", len(plan.cells))


class _Missing:
    """What is missing of a data set: passes of models, of merges and of ensembles, and tables to fit."""

    def __init__(self, steps: Sequence[Step], dataset: str, samples: int) -> None:
        mine = [step for step in steps if step.dataset == dataset]
        evaluated = [step for step in mine if step.stage == "evaluate"]
        self.outputs = sum(step.missing for step in mine if step.stage == "extract")
        self.merges = sum(step.missing for step in evaluated if step.label == MERGED)
        self.mixes = sum(step.missing for step in evaluated if step.label != MERGED)
        self.fits = sum(step.missing // samples for step in mine if step.stage == "fit")  # each is written whole
