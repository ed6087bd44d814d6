"""A plan as text: its steps, done and to do, and the tower and preprocessing of its models."""

from collections.abc import Sequence
from itertools import groupby

from flows.planning.plan import Plan, Step
from flows.planning.plan_parts import parts_of
from flows.planning.preprocessing import preprocessing_in_words
from flows.reports.order_text import order_text
from tasks.models.architecture import described

_MOST_ALIKE = 12  # models of a data set with a line of their own; experiments with dozens of models exist


def steps_text(plan: Plan, *, on_pool: bool = False) -> str:
    """Return one line for each step with its missing samples, the number of forward passes, and the order of the steps.

    Args:
        plan: the plan.
        on_pool: whether workers of a pool would compute it.
    """
    passes = plan.forward_passes
    counted = f"  forward passes: {passes.needed:,} to run, {passes.reused:,} reused"
    order = order_text(parts_of(plan, on_pool=on_pool))
    return "\n".join([*step_lines(plan.steps()), "", counted, *(["", order] if order else [])])


def step_lines(steps: Sequence[Step]) -> list[str]:
    """Return one line for each step; many steps that differ in their model alone have one line.

    Args:
        steps: in the order of a plan.
    """
    lines = []
    for _, alike in groupby(steps, key=lambda step: step._replace(label="")):
        several = list(alike)
        if len(several) <= _MOST_ALIKE:
            lines += [_line(step, step.label) for step in several]
        else:
            lines.append(_line(several[0], f"{several[0].label} … {several[-1].label}, {len(several)} models, each"))
    return lines


def _line(step: Step, label: str) -> str:
    units = {"merge": "to make", "upgrade": "samples to write again from their logits, no forward pass"}
    unit = units.get(step.stage, f"of {step.samples} samples to run")
    state = "skipped, in the store" if not step.missing else f"{step.missing} {unit}"
    return f"  {step.stage:<9} {step.dataset:<12} {label:<18} {state}"


def facts_text(plan: Plan) -> str:
    """Return the tower of the models and the preprocessing of the images, each with its source; the size of objects."""
    settings = plan.record.settings
    lines = [f"  tower   {described(settings['architecture'])}"]
    lines += [f"          assumed: {settings['assumed']}"] if settings["assumed"] else []
    lines += [
        f"  images  {preprocessing_in_words(settings['preprocess'])}",
        f"          from: {settings['preprocess']['source']}",
        f"  objects {_objects(plan)}",
    ]
    return "\n".join(lines)


def _objects(plan: Plan) -> str:
    """Return the largest number of samples in an object of each data set's tables; equal ones are named once."""
    names: dict[int, list[str]] = {}
    for dataset in plan.datasets:
        names.setdefault(dataset.shard, []).append(dataset.name)
    if len(names) == 1:
        return f"of {next(iter(names)):,} samples"
    return "; ".join(f"of {size:,} samples: {', '.join(own)}" for size, own in names.items())
