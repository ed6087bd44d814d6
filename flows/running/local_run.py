"""One run of an experiment from this process: inputs checked, Prefect's API started, missing results computed."""

import asyncio
import os
from collections.abc import Callable

from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.plan import Plan
from flows.planning.requests import store_of
from flows.planning.written_plan import write_plan
from flows.workers.embedded_api import keep_errors_short, prefect_api
from flows.workers.quick_imports import without_collection
from storage.open_looks import looking
from storage.pointers import is_recorded, point_to_latest


def run_here(
    experiment: Experiment, url: str, on_plan: Callable[[Plan], None] | None = None, verbose: bool = False
) -> Plan:
    """Compute the missing results of an experiment and return its plan.

    Args:
        experiment: the settings.
        url: address of the store.
        on_plan: called with the plan after all inputs are checked, before anything is computed.
        verbose: whether the console shows Prefect's log lines.

    Raises:
        InputError: an input is missing, damaged or does not fit; nothing was computed.
        Exception: the error of a flow run that failed.
    """
    store = store_of(experiment, url)
    with looking(store.url):
        with without_collection():
            if not is_recorded(store, experiment.name):
                _need_prefect()  # something will have to run: the API starts during the check of the inputs
            plan = checked_plan(experiment, store)
        if on_plan:
            on_plan(plan)
        if plan.is_done:
            plan.leave_manifests()
            point_to_latest(store, experiment.name, plan.record.run_id)
        else:
            _run_flow(experiment, plan, verbose)
    return plan


def _need_prefect() -> None:
    """Start an API unless one is configured; if a work pool is configured, check it."""
    prefect_api.start()
    prefect_api.revive()  # of a process that has run before, such as a notebook's
    from flows.workers.pool import check_pool, pool  # noqa: PLC0415  imports Prefect, which reads its settings then

    if pool():
        prefect_api.wait()
        asyncio.run(check_pool())


def _run_flow(experiment: Experiment, plan: Plan, verbose: bool) -> None:
    """Run the flow of an experiment in this process; it does not check again the inputs that were checked here."""
    with without_collection():
        _need_prefect()
        from prefect import tags  # noqa: PLC0415  see above
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        from flows.run_experiment import run_experiment  # noqa: PLC0415
        from flows.workers.tags import tags_of  # noqa: PLC0415

    prefect_api.wait()
    keep_errors_short(verbose)
    # a program may have imported Prefect before, which read its settings then
    address = temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]})
    with address, tags(*tags_of(experiment)):
        asyncio.run(run_experiment(experiment, plan.store.url, write_plan(plan)))
