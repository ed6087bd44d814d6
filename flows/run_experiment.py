"""Parent flow: extract, fit, evaluate, aggregate."""

import logging

from prefect import flow

from flows.aggregate_results import aggregate_results
from flows.dispatch import dispatch
from flows.evaluate_merges import evaluate_merges
from flows.extract_outputs import extract_outputs
from flows.merge_weights import merge_weights
from flows.plan import Plan
from flows.preparation import prepare
from flows.settings import Experiment
from storage.store import open_store
from tasks.derived import RunRecord
from tasks.evaluation import evaluate_ensembles
from tasks.fitting import fit_bins, fit_coefficients, fit_mixture
from tasks.references import DatasetReference, OutputsReference

log = logging.getLogger("dawin.run")


@flow(name="run-experiment", flow_run_name="{experiment.name}")
async def run_experiment(experiment: Experiment, store: str) -> RunRecord:
    """Evaluate every method of an experiment on every data set; what the store holds already is not computed again."""
    plan = prepare(experiment, open_store(store))
    for dataset in plan.datasets:
        if dataset.note:
            log.warning("data set %s: %s", dataset.name, dataset.note)
    for outputs in plan.outputs:
        await _extract(plan, experiment, outputs)
    for recipe in plan.lacking_recipes:
        name = f"merge {recipe.method}"
        await dispatch(merge_weights, name, experiment=experiment, method=recipe.method, store=plan.store.url)
    for dataset in plan.datasets:
        if lacking := plan.lacking(plan.judges(dataset)):
            name = f"extract {dataset.name} × {', '.join(judge.model.name for judge in lacking)}"
            await dispatch(extract_outputs, name, experiment=experiment, dataset=dataset.name, store=plan.store.url)
        _fit(plan, dataset)
    for dataset in plan.datasets:
        await _evaluate(plan, experiment, dataset)
    name = f"aggregate {experiment.name}"
    await dispatch(aggregate_results, name, experiment=experiment, store=plan.store.url)
    return plan.record


async def _extract(plan: Plan, experiment: Experiment, outputs: tuple[OutputsReference, ...]) -> None:
    lacking = plan.lacking(outputs)
    dataset = outputs[0].dataset.name
    if reused := [o.model.name for o in outputs if o not in lacking]:
        log.info("skipped: extract %s × %s (in the store)", dataset, ", ".join(reused))
    if lacking:
        also = f" and {len(streamed)} merges" if (streamed := plan.streamed(outputs[0].dataset)) else ""
        name = f"extract {dataset} × {', '.join(o.model.name for o in lacking)}{also}"
        await dispatch(extract_outputs, name, experiment=experiment, dataset=dataset, store=plan.store.url)


def _fit(plan: Plan, dataset: DatasetReference) -> None:
    for coefficients in plan.lacking(plan.coefficients(dataset)):
        name = f"fit {coefficients.expertise} coefficients of {dataset.name}"
        fit_coefficients.with_options(task_run_name=name)(coefficients, plan.store)
    for mixture in plan.lacking(plan.mixtures(dataset)):
        name = f"fit {mixture.components} clusters of {dataset.name}"
        fit_mixture.with_options(task_run_name=name)(mixture, plan.store)
    for bins in plan.lacking(plan.bins(dataset)):
        name = f"cut {bins.bins} bins of {dataset.name}"
        fit_bins.with_options(task_run_name=name)(bins, plan.store)


async def _evaluate(plan: Plan, experiment: Experiment, dataset: DatasetReference) -> None:
    if ensembles := plan.lacking(plan.ensembles(dataset)):
        name = f"mix outputs of {dataset.name}"
        evaluate_ensembles.with_options(task_run_name=name)(ensembles, plan.store)
    merges = plan.merges(dataset)
    lacking = plan.lacking(merges)
    if reused := len(merges) - len(lacking):
        log.info("skipped: evaluate %s × %d merges (in the store)", dataset.name, reused)
    if lacking:
        name = f"evaluate {dataset.name} × {len(lacking)} merges"
        await dispatch(evaluate_merges, name, experiment=experiment, dataset=dataset.name, store=plan.store.url)
