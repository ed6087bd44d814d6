"""Child flow: the outputs of several models on one data set."""

from collections.abc import Sequence

from prefect import flow

from flows.planning.plan import Plan
from flows.planning.written_plan import read_plan
from flows.reports.run_log import log_accuracies, outputs_by_model, predictions_by_method
from storage.open_looks import looking
from storage.soundness import is_committed
from storage.spans import Span
from storage.store import Store
from tasks.extraction import extract
from tasks.streaming.fill import Tally, total


@flow(name="extract-outputs")
async def extract_outputs(
    plan: str,
    dataset: str,
    store: str,
    samples: tuple[int, int] | None = None,
    more: Sequence[tuple[str, tuple[int, int]]] = (),
) -> Tally:
    """Run the models of a plan over a data set, as far as their outputs are missing from the store.

    If no merge has to wait for all outputs, merged models run over the same batches: one pass does it all.

    Args:
        plan: key of the parent's plan in the store.
        dataset: name of the data set.
        store: address of the store.
        samples: start and stop of the samples to run on, `stop` excluded; None: all.
        more: further data sets, or further samples of this one, each with start and stop; in turn.
    """
    opened = Store(store)
    with looking(opened.url):
        found = read_plan(plan, opened)
        return total(_extract(found.on(name), of) for name, of in ((dataset, samples), *more))


def _extract(plan: Plan, samples: tuple[int, int] | None) -> Tally:
    """Extract what is missing on the one data set of a plan."""
    (reference,) = plan.datasets
    judges = [(judge, judge.model.made) for judge in plan.judges(reference)]
    made = [judge for judge, model in judges if model and is_committed(plan.store, model.key)]
    missing, merges = plan.missing([*plan.extracted(reference), *made]), plan.streamed(reference)
    span, logits = Span(*samples) if samples else None, plan.needed_logits(missing)
    tally = extract(missing, plan.store, reading=plan.reading, merges=merges, samples=span, logits=logits)
    log_accuracies([*outputs_by_model(missing), *predictions_by_method(plan.cells, merges)], plan.store)
    return tally
