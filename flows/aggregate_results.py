"""Child flow: the results of a run, as rows in the store and as a table in the Prefect UI."""

from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import prepare
from flows.reports.artifacts import publish
from storage.store import Store
from tasks.aggregation import aggregate
from tasks.streaming.fill import Tally


@flow(name="aggregate-results")
async def aggregate_results(experiment: Experiment, store: str) -> Tally:
    """Write the results of an experiment whose predictions are all in the store, and publish them."""
    plan = prepare(experiment, Store(store))
    tally = aggregate(plan.record, plan.cells, plan.store)
    await publish(plan.record, plan.store)
    return tally
