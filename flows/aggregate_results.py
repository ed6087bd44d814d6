"""Child flow: the results of a run, as rows and a page in the store, and as artifacts in the Prefect UI."""

from prefect import flow

from flows.pages.report import write_report
from flows.planning.written_plan import read_plan
from flows.reports.artifacts import publish
from flows.reports.run_log import log_results
from flows.reports.tables import results_of
from storage import keys
from storage.open_looks import looking
from storage.store import Store
from tasks.aggregation import aggregate
from tasks.references.results import RunRecord
from tasks.streaming.fill import Tally


@flow(name="aggregate-results")
async def aggregate_results(plan: str, store: str) -> Tally:
    """Write and publish the results of a plan whose predictions are all in the store, and the page that reports them.

    Args:
        plan: key of the parent's plan in the store.
        store: address of the store.
    """
    opened = Store(store)
    with looking(opened.url):
        found = read_plan(plan, opened)
        outputs = [one for of_dataset in found.outputs for one in of_dataset]
        tally = aggregate(found.record, found.cells, found.store, plan, outputs)
        log_results(results_of(found.store, found.record.experiment, found.record.run_id))
        await publish(found.record, found.store, page=_page(found.record, found.store, plan, is_new=tally.computed > 0))
        return tally


def _page(record: RunRecord, store: Store, plan: str, *, is_new: bool) -> str | None:
    """Return the address of the page about a run, written unless results that were there before have one."""
    key = keys.report(record.experiment, record.run_id)
    if not is_new and store.exists(key):
        return store.address(key)
    return write_report(store, record.experiment, record.run_id, plan=plan)
