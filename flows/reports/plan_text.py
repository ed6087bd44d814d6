"""A plan as text: its steps, done and to do, and the tower and preprocessing of its models."""

from flows.planning.plan import Plan
from flows.planning.preprocessing import preprocessing_in_words
from tasks.models.architecture import described


def steps_text(plan: Plan) -> str:
    """Return one line for each step, with its missing samples, and the number of forward passes."""
    lines = []
    for step in plan.steps():
        units = {"merge": "to make", "upgrade": "samples to write again from their logits, no forward pass"}
        unit = units.get(step.stage, f"of {step.samples} samples to run")
        state = "skipped, in the store" if not step.missing else f"{step.missing} {unit}"
        lines.append(f"  {step.stage:<9} {step.dataset:<12} {step.label:<18} {state}")
    passes = plan.forward_passes
    return "\n".join([*lines, "", f"  forward passes: {passes.needed:,} to run, {passes.reused:,} reused"])


def facts_text(plan: Plan) -> str:
    """Return the tower of the models and the preprocessing of the images, each with its source."""
    settings = plan.record.settings
    lines = [f"  tower   {described(settings['architecture'])}"]
    lines += [f"          assumed: {settings['assumed']}"] if settings["assumed"] else []
    lines += [
        f"  images  {preprocessing_in_words(settings['preprocess'])}",
        f"          from: {settings['preprocess']['source']}",
    ]
    return "\n".join(lines)
