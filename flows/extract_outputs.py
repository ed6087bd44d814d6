"""Child flow: the outputs of several models on one data set."""

from prefect import flow

from flows.experiment import Experiment
from flows.preparation import prepare
from storage.store import Store
from tasks.extraction import extract
from tasks.streaming import Tally


@flow(name="extract-outputs")
async def extract_outputs(experiment: Experiment, dataset: str, store: str) -> Tally:
    """Run those models of an experiment over a data set whose outputs are not in the store."""
    plan = prepare(experiment.on(dataset), Store(store))
    lacking = plan.lacking(plan.outputs[0])
    return extract(lacking, plan.store, batch_size=experiment.batch_size, workers=experiment.workers)
