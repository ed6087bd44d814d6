"""Child flow: the outputs of several models on one data set."""

from prefect import flow

from flows.preparation import prepare
from flows.settings import Experiment
from storage.store import Store
from tasks.extraction import extract
from tasks.streaming import Tally


@flow(name="extract-outputs")
async def extract_outputs(experiment: Experiment, dataset: str, store: str) -> Tally:
    """Run those models of an experiment over a data set whose outputs are not in the store.

    Where no merge has to wait for all outputs, merged models run over the same batches: one pass does it all.
    """
    plan = prepare(experiment.on(dataset), Store(store))
    lacking, merges = plan.lacking(plan.outputs[0]), plan.streamed(plan.datasets[0])
    return extract(lacking, plan.store, reading=experiment.reading, merges=merges)
