"""One run of an experiment from this process: inputs checked, Prefect's API started, missing results computed."""

from collections.abc import Callable, Coroutine
from typing import Any

from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.plan import Plan
from flows.planning.requests import store_of
from flows.planning.written_plan import write_plan
from flows.running.local_flow import need_prefect, run_flow
from flows.workers.quick_imports import without_collection
from storage.open_looks import looking
from storage.pointers import is_recorded, point_to_latest
from tasks.references.results import RunRecord


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
                need_prefect()  # something will have to run: the API starts during the check of the inputs
            plan = checked_plan(experiment, store)
        if on_plan:
            on_plan(plan)
        if plan.is_done:
            plan.leave_manifests()
            point_to_latest(store, experiment.name, plan.record.run_id)
        else:
            _run_flow(experiment, plan, verbose)
    return plan


def _run_flow(experiment: Experiment, plan: Plan, verbose: bool) -> None:
    """Run the flow of an experiment in this process; it does not check again the inputs that were checked here."""

    def start() -> Coroutine[Any, Any, RunRecord]:
        with without_collection():
            from flows.run_experiment import run_experiment  # noqa: PLC0415  Prefect reads its settings then

        return run_experiment(experiment, plan.store.url, write_plan(plan))

    run_flow(experiment, start, verbose=verbose)
