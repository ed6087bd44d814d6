"""Parent flow: each data set is extracted, fitted and evaluated as soon as its inputs are there; results at the end."""

import logging
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.aggregate_results import aggregate_results
from flows.computing.all_parts import compute_parts
from flows.computing.computation import REPAIRS
from flows.experiment.file import load_experiment
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.plan import Plan
from flows.planning.written_plan import read_plan, renewed, write_plan
from flows.reports.artifacts import publish_plan
from flows.workers.pool import check_pool
from flows.workers.tags import tag_this_run
from storage.errors import ObjectDamaged, ObjectMissing
from storage.open_looks import looking
from storage.soundness import report_again
from storage.store import open_store
from tasks.progress import work
from tasks.references.results import RunRecord

log = logging.getLogger("dawin.run")


def run_name() -> str:
    """Return a run's name in the UI: its experiment's name, and the checkpoint that it evaluates, if it is one."""
    experiment = flow_run.parameters["experiment"]
    name = Path(experiment).stem if isinstance(experiment, str) else experiment.name
    evaluated = [tag.removeprefix("checkpoint:") for tag in flow_run.tags if tag.startswith("checkpoint:")]
    return f"{name}: {evaluated[0]}" if len(evaluated) == 1 else name


@flow(name="run-experiment", flow_run_name=run_name)
async def run_experiment(experiment: Experiment | str, store: str, plan: str | None = None) -> RunRecord:
    """Evaluate every method of an experiment on every data set; tables that the store holds are not computed again.

    Args:
        experiment: the settings, or the path or name of an experiment file.
        store: address of the store.
        plan: key of the experiment's plan, if the caller has just checked its inputs; None: they are checked now.
    """
    experiment = load_experiment(experiment) if isinstance(experiment, str) else experiment
    await tag_this_run(experiment)
    await check_pool()
    opened = open_store(store)
    with looking(opened.url):
        found = read_plan(plan, opened) if plan else checked_plan(experiment, opened)
        for note in found.notes:
            log.warning("%s", note)
        await publish_plan(found)
        for left in range(REPAIRS, -1, -1):
            report_again()
            key = write_plan(found)
            with renewed(key, found.store):
                await compute_parts(found, key, experiment)
                try:
                    await _aggregate(found, key)
                    break
                except (ObjectDamaged, ObjectMissing) as error:  # that nothing has read before
                    if not left or not str(error).startswith(f"{found.store.url}/"):
                        raise
                    log.warning("%s: this run computes it now", error)
                    found.look_again()  # another process may have removed the object
        found.leave_manifests()
        return found.record


async def _aggregate(plan: Plan, key: str) -> None:
    """Write and publish the results of a plan whose predictions are all in the store."""
    name = f"aggregate {plan.record.experiment}"
    with work(name, len(plan.cells), stage="aggregate", unit="cells") as progress:
        await aggregate_results.with_options(flow_run_name=name)(plan=key, store=plan.store.url)
        progress.advance(len(plan.cells))
