"""Parent flow: extract, merge, fit, evaluate, aggregate."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.aggregate_results import aggregate_results
from flows.experiment.file import load_experiment
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.plan import Plan, Step
from flows.planning.written_plan import read_plan, renewed, write_plan
from flows.reports.artifacts import publish_coefficients, publish_plan
from flows.workers.children import Child, Children
from flows.workers.dispatch import ChildCancelled, ChildFailed, dispatch
from flows.workers.pool import check_pool, pool
from flows.workers.tags import tag_this_run
from storage.errors import ObjectDamaged, ObjectMissing
from storage.open_looks import looking
from storage.soundness import report_again
from storage.store import open_store
from tasks.ensembling import evaluate_ensembles
from tasks.fitting import fit_bins, fit_coefficients, fit_mixture
from tasks.progress import work
from tasks.references.datasets import DatasetReference
from tasks.references.results import RunRecord
from tasks.upgrading import upgrade_outputs

log = logging.getLogger("dawin.run")

_REPAIRS = 3  # damaged objects found by reading, one after the other, that a run computes again before it gives up


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
        for _ in range(_REPAIRS):
            try:
                return await _compute(found, experiment)
            except (ObjectDamaged, ObjectMissing) as error:  # its reader took its commit back: it counts as missing now
                if not str(error).startswith(f"{found.store.url}/"):
                    raise  # an input is missing: no run computes it
                log.warning("%s: this run computes it now", error)
                found.look_again()  # another process may have removed the object
        return await _compute(found, experiment)


async def _compute(plan: Plan, experiment: Experiment) -> RunRecord:
    """Compute the missing tables of a plan, stage by stage."""
    report_again()
    key = write_plan(plan)
    with renewed(key, plan.store):
        return await _compute_stages(plan, key, experiment)


async def _compute_stages(plan: Plan, key: str, experiment: Experiment) -> RunRecord:
    children = Children(plan, key, experiment)
    if heads := plan.damaged_heads:
        from tasks.opening.make_heads import text_head  # noqa: PLC0415  loads torch, which a parent seldom needs

        for head in heads:
            text_head(head, plan.store)
    if former := plan.former_outputs:
        upgrade_outputs(former, plan.store, plan.needed_logits(former))
    await _run(plan, [child for outputs in plan.outputs for child in children.extract(outputs[0].dataset, outputs)])
    await _run(plan, children.merge())
    await _run(plan, [child for d in plan.datasets for child in children.extract(d, plan.judges(d))])
    for dataset in plan.datasets:
        if _fit(plan, dataset):
            await publish_coefficients(plan, dataset)
    await _run(plan, [child for dataset in plan.datasets for child in children.evaluate(dataset)])
    for dataset in plan.datasets:
        if ensembles := plan.missing(plan.ensembles(dataset)):
            name = f"mix outputs of {dataset.name}"
            evaluate_ensembles.with_options(task_run_name=name)(ensembles, plan.store)
    name = f"aggregate {experiment.name}"
    with work(name, len(plan.cells), stage="aggregate", unit="cells") as progress:
        await aggregate_results.with_options(flow_run_name=name)(plan=key, store=plan.store.url)
        progress.advance(len(plan.cells))
    plan.leave_manifests()
    return plan.record


async def _run(plan: Plan, children: Sequence[Child]) -> None:
    """Run the children of a stage; an object that a child on a pool found damaged is raised as `ObjectDamaged`.

    Such a child took the object's commit back and failed, and the failure arrives without its error. So the parent
    compares the missing samples before the stage and after it: only damage increases their number.
    """
    is_sent = bool(children) and pool() is not None
    before = _missing(plan) if is_sent else Counter[Step]()
    try:
        await dispatch(children)
    except ChildCancelled:
        raise
    except ChildFailed as error:
        plan.look_again()
        if more := _missing(plan) - before:
            found = ", ".join(f"{step.label} {step.dataset}".strip() for step in more)
            raise ObjectDamaged(f"{plan.store.url}/: damaged objects of {found} ({error})") from error
        raise
    finally:
        if is_sent:  # other processes have written
            plan.look_again()


def _missing(plan: Plan) -> Counter[Step]:
    """Count the missing samples of each line of a plan."""
    missing = Counter[Step]()
    for step in plan.steps():
        missing[step._replace(samples=0, missing=0)] += step.missing
    return missing


def _fit(plan: Plan, dataset: DatasetReference) -> bool:
    """Fit the missing tables of a data set; return whether a mixture was among them."""
    coefficients = plan.missing(plan.coefficients(dataset))
    mixtures, bins = plan.missing(plan.mixtures(dataset)), plan.missing(plan.bins(dataset))
    if not (coefficients or mixtures or bins):
        return False
    count = len(coefficients) + len(mixtures) + len(bins)
    with work(f"fit {dataset.name}", count, stage="fit", unit="tables") as progress:
        for one in coefficients:
            name = f"fit {one.expertise} coefficients of {dataset.name}"
            fit_coefficients.with_options(task_run_name=name)(one, plan.store)
            progress.advance(1)
        for mixture in mixtures:
            name = f"fit {mixture.components} clusters of {dataset.name}"
            fit_mixture.with_options(task_run_name=name)(mixture, plan.store)
            progress.advance(1)
        for binned in bins:
            name = f"cut {binned.bins} bins of {dataset.name}"
            fit_bins.with_options(task_run_name=name)(binned, plan.store)
            progress.advance(1)
    return bool(mixtures)
