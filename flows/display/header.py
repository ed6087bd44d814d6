"""The header of a run: the experiment, its store and inputs, what runs and what is reused."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from flows.display.numbers import counted
from flows.planning.plan import MERGED, Plan, Step
from storage.text import shown

_LABEL = 8
_LONGEST = 4_096  # characters, as of a path


def header(plan: Plan, steps: Sequence[Step], *, is_done: bool, pool: str | None) -> list[Text]:
    """Return the lines of the header.

    Args:
        plan: the plan of the run.
        steps: the plan line by line, as from `Plan.steps`.
        is_done: whether nothing is left to run.
        pool: the work pool that runs the models; None: they run in this process.
    """
    models = [outputs.model.name for outputs in plan.outputs[0]]
    images = sum(dataset.samples for dataset in plan.datasets)
    datasets = f"{counted(len(plan.datasets), 'data sets')} ({counted(images, 'images')})"
    lines = [
        Text.assemble(field(plan.record.experiment, ""), (f"run {plan.record.run_id}", "dim")),
        field("store", shown_address(plan.store.url)),
        field("inputs", f"{datasets} × {counted(len(models), 'models')} ({_listed(models)})"),
        field("to run", _to_run(plan, steps, is_done)),
    ]
    lines[0].stylize("bold", 0, len(plan.record.experiment))
    return [*lines, field("pool", pool)] if pool and not is_done else lines


def field(name: str, value: str) -> Text:
    """Return a line of a name and a value."""
    return Text.assemble((f"{name:<{_LABEL}}" + " " * (len(name) >= _LABEL), "dim" if value else ""), value)


def shown_address(url: str) -> str:
    """Return a path for an address on this machine, relative if it is below the working directory; else the address."""
    if not url.startswith("file://"):
        return shown(url, _LONGEST)
    path = Path(url.removeprefix("file://"))
    inside = path != Path.cwd() and path.is_relative_to(Path.cwd())
    return shown(str(path.relative_to(Path.cwd()) if inside else path), _LONGEST)


def device_in_words() -> str:
    """Return the device that models run on. This imports torch."""
    import torch  # noqa: PLC0415  a header that needs no device needs no torch

    from tasks.streaming.devices import default_device  # noqa: PLC0415

    device = default_device()
    if device == "cpu":
        return f"cpu, {counted(torch.get_num_threads(), 'threads')}"
    return f"{device}, {torch.cuda.get_device_name(device)}"


def _to_run(plan: Plan, steps: Sequence[Step], is_done: bool) -> str:
    passes = [step for step in steps if step.stage == "extract" or step.label == MERGED]
    wanted, missing = sum(step.samples for step in passes), sum(step.missing for step in passes)
    methods = counted(len({cell.method for cell in plan.cells}), "methods")
    if is_done:
        return f"nothing: the store holds all of it ({wanted:,} forward passes, {methods})"
    if missing == wanted:
        return f"{wanted:,} forward passes, {methods}"
    if missing == 0:
        return f"no forward pass, all {wanted:,} are in the store; fits and results of {methods}"
    return f"{missing:,} of {wanted:,} forward passes, {methods}; the store holds the rest"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]}, … {names[-1]}"
