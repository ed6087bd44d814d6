"""Child flow: the results of a run, as rows in the store and as a table in the Prefect UI."""

from prefect import flow

from flows.planning.written_plan import read_plan
from flows.reports.artifacts import publish
from flows.reports.run_log import log_results
from flows.reports.tables import results_of
from storage.store import Store
from tasks.aggregation import aggregate
from tasks.streaming.fill import Tally


@flow(name="aggregate-results")
async def aggregate_results(plan: str, store: str) -> Tally:
    """Write and publish the results of a plan whose predictions are all in the store.

    Args:
        plan: key of the parent's plan in the store.
        store: address of the store.
    """
    found = read_plan(plan, Store(store))
    tally = aggregate(found.record, found.cells, found.store)
    log_results(results_of(found.store, found.record.experiment, found.record.run_id))
    await publish(found.record, found.store)
    return tally
