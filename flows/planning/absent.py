"""The objects of a plan that a store does not hold: two answers compared show what was lost in between."""

from collections.abc import Sequence

from flows.planning.plan import MERGED, Plan
from flows.planning.plan_look import Table
from storage.spans import Span


def absent(plan: Plan) -> dict[tuple[str, Span], str]:
    """Return everything that the store of a plan does not hold, sound, with the words of its line of the plan.

    The answer is by the prefix of a table and a span of it, or by the key of a model or a head. So something that is in
    a later answer and not in a former one was lost meanwhile, whatever other processes have added.

    Args:
        plan: of a run, or the part of it that concerns one data set.
    """
    found = dict[tuple[str, Span], str]()
    for dataset in plan.datasets:
        lines: list[tuple[str, Sequence[Table]]] = [
            *((outputs.model.name, [outputs]) for outputs in (*plan.extracted(dataset), *plan.judges(dataset))),
            ("coefficients", plan.coefficients(dataset)),
            ("mixtures", plan.mixtures(dataset)),
            ("bins", plan.bins(dataset)),
            (MERGED, plan.merges(dataset)),
            ("output ensembles", plan.ensembles(dataset)),
        ]
        for label, tables in lines:
            words = f"{label} {dataset.name}"
            for one in tables:
                found |= {(one.prefix, span): words for span in plan.missing_spans(one)}
    found |= {(model.key, Span(0, 1)): model.method for model in plan.missing_models}
    return found | {(head.key, Span(0, 1)): f"head {head.digest}" for head in plan.damaged_heads}
