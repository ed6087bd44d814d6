"""Child flow: the results of a run, as rows in the store and as a table in the Prefect UI."""

from prefect import flow

from flows.artifacts import publish
from storage.store import Store
from tasks.aggregation import aggregate
from tasks.references import Cell, RunRecord
from tasks.streaming import Tally


@flow(name="aggregate-results")
async def aggregate_results(record: RunRecord, cells: list[Cell], store: str) -> Tally:
    """Write the results of a run and publish them."""
    opened = Store(store)
    tally = aggregate(record, cells, opened)
    await publish(record, opened)
    return tally
