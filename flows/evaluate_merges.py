"""Child flow: merged models on one data set."""

from collections.abc import Sequence

from prefect import flow

from flows.planning.plan import Plan
from flows.planning.written_plan import read_plan
from flows.reports.run_log import log_accuracies, predictions_by_method
from storage.open_looks import looking
from storage.spans import Span
from storage.store import Store
from tasks import evaluation
from tasks.streaming.fill import Tally, total


@flow(name="evaluate-merges")
async def evaluate_merges(
    plan: str,
    dataset: str,
    store: str,
    samples: tuple[int, int] | None = None,
    *,
    learnt: bool | None = None,
    more: Sequence[tuple[str, tuple[int, int]]] = (),
) -> Tally:
    """Run the merged models of a plan over a data set, as far as their predictions are missing from the store.

    Args:
        plan: key of the parent's plan in the store.
        dataset: name of the data set.
        store: address of the store.
        samples: start and stop of the samples to run on, `stop` excluded; None: all.
        learnt: whether to run the merges of models that are made by looking at images, or the others; None: all.
        more: further data sets, or further samples of this one, each with start and stop; in turn.
    """
    opened = Store(store)
    with looking(opened.url):
        found = read_plan(plan, opened)
        return total(_evaluate(found.on(name), of, learnt) for name, of in ((dataset, samples), *more))


def _evaluate(plan: Plan, samples: tuple[int, int] | None, learnt: bool | None) -> Tally:
    """Evaluate what is missing on the one data set of a plan."""
    merges = plan.merges(plan.datasets[0])
    missing, span = plan.missing(merges), Span(*samples) if samples else None
    missing = [merge for merge in missing if learnt is None or merge.is_learnt == learnt]
    tally = evaluation.evaluate_merges(missing, plan.store, reading=plan.reading, samples=span, beside=merges)
    log_accuracies(predictions_by_method(plan.cells, missing), plan.store)
    return tally
