"""Child flow: the outputs of several models on one data set."""

from prefect import flow

from flows.planning.written_plan import read_plan
from flows.reports.run_log import log_accuracies, outputs_by_model, predictions_by_method
from storage.open_looks import looking
from storage.soundness import is_committed
from storage.spans import Span
from storage.store import Store
from tasks.extraction import extract
from tasks.streaming.fill import Tally


@flow(name="extract-outputs")
async def extract_outputs(plan: str, dataset: str, store: str, samples: tuple[int, int] | None = None) -> Tally:
    """Run the models of a plan over a data set, as far as their outputs are missing from the store.

    If no merge has to wait for all outputs, merged models run over the same batches: one pass does it all.

    Args:
        plan: key of the parent's plan in the store.
        dataset: name of the data set.
        store: address of the store.
        samples: start and stop of the samples to run on, `stop` excluded; None: all.
    """
    opened = Store(store)
    with looking(opened.url):
        found = read_plan(plan, opened).on(dataset)
        (reference,) = found.datasets
        judges = [(judge, judge.model.made) for judge in found.judges(reference)]
        made = [judge for judge, model in judges if model and is_committed(found.store, model.key)]
        missing, merges = found.missing([*found.outputs[0], *made]), found.streamed(reference)
        span, logits = Span(*samples) if samples else None, found.needed_logits(missing)
        tally = extract(missing, found.store, reading=found.reading, merges=merges, samples=span, logits=logits)
        log_accuracies([*outputs_by_model(missing), *predictions_by_method(found.cells, merges)], found.store)
        return tally
