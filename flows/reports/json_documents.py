"""The documents of `--json`, filled in: the facts that commands print, for programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.planning.plan import Plan
from flows.planning.plan_parts import Part, parts_of
from flows.reports.json_models import (
    CalibratedModel,
    CalibrateDocument,
    ExportDocument,
    ExportedFile,
    ForwardPasses,
    HeadDocument,
    InspectDocument,
    PlanDocument,
    PlannedPart,
    PlannedStep,
    Preprocessing,
)
from tasks.models.architecture import described

if TYPE_CHECKING:
    from tasks.numerics.calibration import Calibration


def plan_document(plan: Plan, *, on_pool: bool = False) -> PlanDocument:
    """Return a plan: its steps, their order, tower, preprocessing and notes.

    Args:
        plan: the plan.
        on_pool: whether workers of a pool would compute it.
    """
    settings, passes = plan.record.settings, plan.forward_passes
    return PlanDocument(
        experiment=plan.record.experiment,
        run_id=plan.record.run_id,
        store=plan.store.url,
        is_done=plan.is_done,
        steps=[PlannedStep(**{**step._asdict(), "dataset": step.dataset or None}) for step in plan.steps()],
        parts=[_part(part) for part in parts_of(plan, on_pool=on_pool)],
        forward_passes=ForwardPasses(needed=passes.needed, reused=passes.reused),
        tower=described(settings["architecture"]),
        assumed=settings["assumed"],
        images=Preprocessing(**settings["preprocess"]),
        notes=plan.notes,
    )


def _part(part: Part) -> PlannedPart:
    return PlannedPart(
        name=part.name,
        stage=part.stage,
        dataset=part.dataset or None,
        waits_for=list(part.waits_for),
        passes=part.passes,
        missing=part.missing,
    )


def inspect_document(facts: Mapping[str, Any]) -> InspectDocument:
    """Return the facts of a checkpoint.

    Args:
        facts: from `tasks.opening.inspect_checkpoint.inspect_checkpoint`.
    """
    head = facts["head"]
    return InspectDocument(
        file=facts["file"],
        family=facts["family"],
        tower=facts.get("tower"),
        tower_source=facts.get("from"),
        images=facts.get("images"),
        head=HeadDocument(**head._asdict()) if head else None,
        tensors=facts["tensors"],
        text_tower=facts["text tower"],
        types=facts["types"].split(", "),
        bytes=facts["bytes"],
        digest=facts["digest"],
    )


def export_document(
    folder: Path, record: Mapping[str, Any], sizes: Mapping[str, int], notes: Sequence[str]
) -> ExportDocument:
    """Return the facts of an exported folder.

    Args:
        folder: its path.
        record: the content of its `dawin.json`.
        sizes: the bytes of each file, by its path below the folder.
        notes: sentences for the user.
    """
    files = [ExportedFile(name=name, bytes=size, sha256=record["files"].get(name)) for name, size in sizes.items()]
    return ExportDocument(
        folder=str(folder.absolute()),
        experiment=record["experiment"],
        method=record["method"],
        dataset=record["dataset"],
        kind=record["kind"],
        run_id=record["run_id"],
        files=files,
        bytes=sum(sizes.values()),
        notes=list(notes),
    )


def calibrate_document(
    experiment: str, dataset: str, found: "Mapping[str, tuple[Calibration, float, float]]"
) -> CalibrateDocument:
    """Return the temperatures of models, with losses and calibration errors before and after.

    Args:
        experiment: name of the experiment.
        dataset: name of the data set that the temperatures were fitted to.
        found: by model, the fit and the expected calibration errors before and after it.
    """
    models = [
        CalibratedModel(
            name=name,
            temperature=fit.temperature,
            loss_before=fit.before,
            loss_after=fit.after,
            error_before=error_before,
            error_after=error_after,
        )
        for name, (fit, error_before, error_after) in found.items()
    ]
    return CalibrateDocument(experiment=experiment, dataset=dataset, models=models)
