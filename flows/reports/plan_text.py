"""A plan in words: what runs and what is reused, which tower and which preprocessing are used."""

from flows.planning.plan import Plan
from flows.planning.preprocessing import preprocessing_in_words
from tasks.models.architecture import described


def steps_text(plan: Plan) -> str:
    """Return a line a step, with how much of it is in the store, and the forward passes of all of them."""
    lines = []
    for step in plan.steps():
        unit = "to make" if step.stage == "merge" else f"of {step.samples} samples to run"
        state = "skipped, in the store" if not step.missing else f"{step.missing} {unit}"
        lines.append(f"  {step.stage:<9} {step.dataset:<12} {step.label:<18} {state}")
    passes = plan.forward_passes
    return "\n".join([*lines, "", f"  forward passes: {passes.needed:,} to run, {passes.reused:,} reused"])


def facts_text(plan: Plan) -> str:
    """Return the models' tower and the images' preprocessing, each with where it comes from."""
    settings = plan.record.settings
    lines = [f"  tower   {described(settings['architecture'])}"]
    lines += [f"          assumed: {settings['assumed']}"] if settings["assumed"] else []
    lines += [
        f"  images  {preprocessing_in_words(settings['preprocess'])}",
        f"          from: {settings['preprocess']['source']}",
    ]
    return "\n".join(lines)
