"""What `dawin run` and `dawin quickstart` show of a run: progress, the steps that are reused, the results."""

from flows.cli.bars import bars
from flows.experiment.settings import Experiment
from flows.planning.plan import Plan
from flows.reports.plan_text import steps_text
from flows.reports.tables import render, results_of
from flows.running.local_run import run_here


def run_and_show(experiment: Experiment, url: str) -> Plan:
    """Compute the missing results of an experiment, print all of them, and return the plan.

    Args:
        experiment: the settings.
        url: address of the store.

    Raises:
        InputError: an input is missing, damaged or does not fit; nothing was computed.
        Exception: the error of a flow run that failed.
    """
    with bars():
        plan = run_here(experiment, url, _show_plan)
    store = plan.store
    print(f"\n{render(results_of(store, experiment.name, plan.record.run_id), 'table')}\n")
    print("top-1 accuracy, %; (labels): uses the true labels, no method for unlabelled data")
    print(f"results: {store.address(plan.record.key)}")
    return plan


def _show_plan(plan: Plan) -> None:
    if plan.is_done:
        print("nothing to run, all of it is in the store:\n")
        print(steps_text(plan))
