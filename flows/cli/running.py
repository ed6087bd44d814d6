"""Running an experiment from the command line: `dawin run` and `dawin quickstart` do the same with theirs."""

import asyncio

from flows.cli.bars import bars
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.plan import Plan
from flows.planning.written_plan import write_plan
from flows.reports.plan_text import steps_text
from flows.reports.tables import render, results_of
from flows.workers.embedded_api import keep_errors_short, prefect_api
from storage.pointers import experiments, point_to_latest
from storage.store import open_store


def run_and_show(experiment: Experiment, url: str) -> Plan:
    """Compute the missing results of an experiment, print all of them, and return the plan.

    Args:
        experiment: the settings.
        url: address of the store.

    Raises:
        InputError: an input is missing, damaged or does not fit; nothing was computed.
        Exception: the error of a flow run that failed.
    """
    store = open_store(url)
    if experiment.name not in experiments(store):
        _need_prefect()  # something will have to run: the API starts during the check of the inputs
    plan = checked_plan(experiment, store)
    if plan.is_done:
        point_to_latest(store, experiment.name, plan.record.run_id)
        print("nothing to run, all of it is in the store:\n")
        print(steps_text(plan))
    else:
        _run_flow(experiment, plan)
    print(f"\n{render(results_of(store, experiment.name, plan.record.run_id), 'table')}\n")
    print("top-1 accuracy, %; (labels): uses the true labels, no method for unlabelled data")
    print(f"results: {store.address(plan.record.key)}")
    return plan


def _need_prefect() -> None:
    """Start an API unless one is configured; if a work pool is configured, check it."""
    prefect_api.start()
    from flows.workers.pool import check_pool, pool

    if pool():
        prefect_api.wait()
        asyncio.run(check_pool())


def _run_flow(experiment: Experiment, plan: Plan) -> None:
    """Run the flow of an experiment in this process; it does not check again the inputs that this command checked."""
    _need_prefect()
    from prefect import tags

    from flows.run_experiment import run_experiment
    from flows.workers.tags import tags_of

    prefect_api.wait()
    keep_errors_short()
    with bars(), tags(*tags_of(experiment)):
        asyncio.run(run_experiment(experiment, plan.store.url, write_plan(plan)))
