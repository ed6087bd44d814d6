"""The parts of a run as works of its schedule: the objects that each has to compute, and its passes."""

from collections.abc import Sequence

from flows.planning.plan import Plan
from flows.planning.plan_look import Table
from flows.planning.plan_parts import Part, merges_of
from flows.scheduling.pace import UNMEASURED_RATE
from flows.scheduling.works import Graph, Work
from storage.spans import Span

KINDS = {
    "extract": "extract-outputs",
    "judge": "extract-outputs",
    "make": "merge-weights",
    "evaluate": "evaluate-merges",
    "evaluate learnt": "evaluate-merges of learnt models",
}
"""The kinds of works by the stages that children compute; parts of other stages are the parent's own."""


def works_of(plan: Plan, parts: Sequence[Part]) -> Graph:
    """Return the parts of a run on a pool as works, in their order.

    Args:
        plan: the plan of the run.
        parts: all of its parts.
    """
    return Graph(_work_of(part, spans_of(plan, part)) for part in parts)


def spans_of(plan: Plan, part: Part) -> tuple[Span, ...]:
    """Return the spans of the objects that the children of a part on a pool compute, in order; none for made models.

    Args:
        plan: the plan of the run, or the part of it that concerns the data set.
        part: of the run.
    """
    if part.stage not in KINDS or part.stage == "make":
        return ()
    dataset = next(one for one in plan.datasets if one.name == part.dataset)
    if part.stage == "extract":
        return tuple(plan.spans_to_extract(dataset))
    tables: Sequence[Table] = (
        plan.judges(dataset) if part.stage == "judge" else merges_of(plan, dataset, part.stage, on_pool=True)
    )
    missing = {span for table in tables for span in plan.missing_spans(table)}
    return tuple(span for span in dataset.spans if span in missing)


def _work_of(part: Part, spans: tuple[Span, ...]) -> Work:
    samples = sum(span.length for span in spans)
    return Work(
        name=part.name,
        kind=KINDS.get(part.stage, part.stage),
        dataset=part.dataset or None,
        spans=spans,
        passes=part.passes / samples if samples else 0.0,
        seconds=0.0 if samples else part.passes / UNMEASURED_RATE,
        after=part.waits_for,
        is_local=part.stage not in KINDS,
    )
