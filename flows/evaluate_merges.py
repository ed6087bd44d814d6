"""Child flow: merged models on one data set."""

from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import prepare_on
from storage.spans import Span
from storage.store import Store
from tasks import evaluation
from tasks.streaming.fill import Tally


@flow(name="evaluate-merges")
async def evaluate_merges(experiment: Experiment, dataset: str, store: str, samples: Span | None = None) -> Tally:
    """Run those merged models of an experiment over a data set whose predictions are not in the store.

    `samples`: only these, `stop` excluded.
    """
    plan = prepare_on(experiment, dataset, Store(store))
    lacking = plan.lacking(plan.merges(plan.datasets[0]))
    return evaluation.evaluate_merges(lacking, plan.store, reading=experiment.reading, samples=samples)
