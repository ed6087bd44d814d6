"""A run of an experiment with its display: header, progress, results, and where they are kept."""

import argparse

from flows.cli.bars import bars
from flows.cli.options import work_pool
from flows.display.consoles import standard_output
from flows.display.next_steps import kept, next_steps, samples_command_of
from flows.display.results_table import print_results
from flows.display.screen import Screen
from flows.experiment.settings import Experiment
from flows.planning.plan import Plan
from flows.reports.tables import results_of
from flows.running.local_run import run_here


def run_and_show(
    experiment: Experiment, url: str, *, file: str | None = None, options: argparse.Namespace | None = None
) -> Plan:
    """Compute the missing results of an experiment, print its results, and return the plan.

    Args:
        experiment: the settings.
        url: address of the store.
        file: the experiment file, or the name of a built-in experiment, for the next commands; None: none are shown.
        options: `quiet`, `verbose`, `all` and `store` of the command, where it has them.

    Raises:
        InputError: an input is missing, damaged or does not fit; nothing was computed.
        Exception: the error of a flow run that failed.
    """
    with bars(options, "checking the inputs") as screen:
        plan = run_here(experiment, url, lambda found: screen.plan(found, pool=work_pool()), screen.is_verbose)
    _show_results(plan, screen, file, options or argparse.Namespace())
    return plan


def _show_results(plan: Plan, screen: Screen, file: str | None, options: argparse.Namespace) -> None:
    """Print the results on standard output; unless the run is quiet, also their place and the next commands."""
    name, console = plan.record.experiment, standard_output()
    quiet, store = getattr(options, "quiet", False), getattr(options, "store", None)
    if not quiet:
        console.print()
    hidden = print_results(
        console,
        results_of(plan.store, name, plan.record.run_id),
        plan.store,
        all_rows=getattr(options, "all", False),
        datasets={dataset.name: dataset.digest for dataset in plan.datasets},
        known=screen.known,
        samples_command=samples_command_of(name, store),
    )
    if quiet:
        return
    console.print()
    for line in kept(plan):
        console.print(line, soft_wrap=True)
    if file:
        changed = getattr(options, "set", [])
        for line in next_steps(plan, file=file, store=store, hides=bool(hidden), width=console.width, settings=changed):
            console.print(line, soft_wrap=True)
