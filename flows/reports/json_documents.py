"""The documents of `--json`, filled in: the facts that commands print, for programs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.planning.plan import Plan
from flows.reports.json_models import (
    CalibratedModel,
    CalibrateDocument,
    ForwardPasses,
    HeadDocument,
    InspectDocument,
    PlanDocument,
    PlannedStep,
    Preprocessing,
)
from tasks.models.architecture import described

if TYPE_CHECKING:
    from flows.calibrate_models import Calibrated


def plan_document(plan: Plan) -> PlanDocument:
    """Return a plan: its steps, tower, preprocessing and notes."""
    settings, passes = plan.record.settings, plan.forward_passes
    return PlanDocument(
        experiment=plan.record.experiment,
        run_id=plan.record.run_id,
        store=plan.store.url,
        is_done=plan.is_done,
        steps=[PlannedStep(**{**step._asdict(), "dataset": step.dataset or None}) for step in plan.steps()],
        forward_passes=ForwardPasses(needed=passes.needed, reused=passes.reused),
        tower=described(settings["architecture"]),
        assumed=settings["assumed"],
        images=Preprocessing(**settings["preprocess"]),
        notes=plan.notes,
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


def calibrate_document(experiment: str, dataset: str, found: "Mapping[str, Calibrated]") -> CalibrateDocument:
    """Return the temperatures of models, with losses and calibration errors before and after."""
    models = [
        CalibratedModel(
            name=name,
            temperature=one.fit.temperature,
            loss_before=one.fit.before,
            loss_after=one.fit.after,
            error_before=one.error_before,
            error_after=one.error_after,
        )
        for name, one in found.items()
    ]
    return CalibrateDocument(experiment=experiment, dataset=dataset, models=models)
