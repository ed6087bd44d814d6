"""From an experiment's settings to the cells of its results table, one per method and data set."""

from collections.abc import Sequence

from flows.experiment.settings import Experiment
from tasks.methods.dawin import METHOD as DAWIN
from tasks.methods.method import Context, Outputs, Setup
from tasks.methods.registry import Member
from tasks.methods.weight_average import METHOD as AVERAGE
from tasks.numerics.measures import STORED, WITH_JUDGE
from tasks.references.coefficients import CoefficientsReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.outputs import OutputsReference
from tasks.references.results import Cell


def cells_of(experiment: Experiment, outputs: Outputs, everywhere: Sequence[ScoredDataset]) -> list[Cell]:
    """Return the cells of one data set, in the order in which results list them.

    Args:
        experiment: the settings.
        outputs: of every model on the data set, the base first.
        everywhere: all data sets of the experiment, for methods that learn from their images.
    """
    scales = experiment.merge.scale if experiment.merge.kind == "task-vectors" else (None,)
    setup = experiment.setup
    contexts = [_context(experiment, setup, outputs, everywhere, scale) for scale in scales]
    members = [member for member in experiment.members if present_on(member, outputs[0].dataset, setup)]
    found = [member.cell(contexts[0]) for member in members if not member.method.per_sample]
    for context in contexts:
        suffix = f"/scale-{context.scale:.2f}" if len(scales) > 1 else ""
        found += [member.cell(context, suffix) for member in members if member.method.per_sample]
        found += [DAWIN.cell(member, context, suffix) for member in DAWIN.members(context.setup)]
    return found


def present_on(member: Member, dataset: DatasetReference, setup: Setup) -> bool:
    """Return whether results have a row of a method on a data set."""
    return member.method.leaves_out(dataset, setup) is None


def left_out(experiment: Experiment, datasets: Sequence[DatasetReference]) -> list[str]:
    """Return a note for each data set on which methods have no row, with the reason."""
    notes, setup, members = [], experiment.setup, experiment.members
    for dataset in datasets:
        reasons = dict[str, list[str]]()
        for member in members:
            if reason := member.method.leaves_out(dataset, setup):
                reasons.setdefault(reason, []).append(member.name)
        for reason, names in reasons.items():
            are = "is" if len(names) == 1 else "are"
            notes.append(f"data set {dataset.name}: {reason}, so {' and '.join(names)} {are} left out there")
    return notes


def _context(
    experiment: Experiment, setup: Setup, outputs: Outputs, everywhere: Sequence[ScoredDataset], scale: float | None
) -> Context:
    merge = experiment.merge
    judge = None
    if merge.expertise in WITH_JUDGE:
        average = AVERAGE.made_model(tuple(reference.model for reference in outputs))
        judge = OutputsReference(model=average.model, scored=outputs[0].scored)
    coefficients = CoefficientsReference(
        outputs=outputs if scale is None else outputs[1:],
        expertise=merge.expertise,
        column=STORED.get(merge.expertise),
        offset=merge.offset and scale is None,
        judge=judge,
    )
    return Context(
        setup=setup,
        outputs=outputs,
        coefficients=coefficients,
        scale=scale,
        everywhere=tuple(everywhere),
    )
