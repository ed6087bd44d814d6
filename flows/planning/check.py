"""From an experiment to a plan: every input checked, every table named, nothing computed yet."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.errors import ExperimentError
from flows.experiment.input_settings import TextHeadSettings
from flows.experiment.preprocess_settings import PreprocessSettings
from flows.experiment.settings import Experiment
from flows.planning.cells import cells_of, left_out, present_on
from flows.planning.checkpoints import Checkpoints
from flows.planning.collected_faults import Faults
from flows.planning.datasets import Datasets
from flows.planning.plan import Plan
from flows.planning.preprocessing import Chosen, choose_preprocessing
from storage.identity import digest_of
from storage.places import exists
from storage.schemas import RESULTS
from storage.store import Store
from tasks.datasets.prompts import Prompts, prompts_of
from tasks.errors import DatasetError, FitError, ModelMismatch, too_few_for_clusters
from tasks.numerics.metrics.registry import METRICS
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.heads import Head
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.results import RunRecord
from tasks.references.versions import computation

_SOME_SIZE = 224  # pixels; lists images while no tower is known


def checked_plan(
    experiment: Experiment,
    store: Store,
    *,
    remember: bool = True,
    checkpoints: Checkpoints | None = None,
    datasets: Datasets | None = None,
    shard: int | None = None,
) -> Plan:
    """Return the plan of an experiment after all checks that are possible before anything runs.

    A checkpoint is hashed, and read whole the first time it is seen. Images are listed, but not read.

    Args:
        experiment: the settings.
        store: holds results and findings.
        remember: whether findings are written to the store.
        checkpoints: the experiment's checkpoints, if some were checked before.
        datasets: the data sets, if some were listed before.
        shard: samples per object of the per-sample tables, which is then not recorded; None: by the store's records.

    Raises:
        InputError: an input is missing, damaged or does not fit the others; one message lists all such faults.
    """
    _refuse_pattern(experiment)
    keep = checkpoints is None
    checkpoints = checkpoints or Checkpoints(store, experiment.architecture, remember, experiment=experiment.name)
    checkpoints.places.look_at([model.checkpoint for model in experiment.models])
    datasets = datasets or Datasets(shard)
    faults = Faults()
    models = [model for m in experiment.models if (model := faults.collect(checkpoints.model, m))]
    chosen = faults.collect(_preprocessing, checkpoints, experiment, models)
    # without a usable model the preprocessing is unknown; missing folders are reported nevertheless
    known = chosen or choose_preprocessing(PreprocessSettings(), _SOME_SIZE, {}, None, [])
    found = [d for one in experiment.datasets if (d := faults.collect(datasets.find, one, known.preprocessing))]
    heads = _heads(checkpoints, experiment, {dataset.name: classes for dataset, classes in found}, faults)
    _check_models(checkpoints, experiment, models, faults)
    _check_datasets(checkpoints, experiment, models, [dataset for dataset, _ in found], heads, faults)
    faults.raise_any()
    if keep:
        checkpoints.keep()
    widths = [checkpoints.classes(models, heads.get(one.name), one) for one, _ in found]
    cut = datasets.cut([one for one, _ in found], widths, store, remember=remember)
    scored = [_scored(experiment, one, heads.get(one.name)) for one in cut]
    plan = _plan(experiment, store, models=models, everywhere=scored, facts=_facts(checkpoints, models, known))
    return _with_names(plan, datasets) if remember else plan


def _with_names(plan: Plan, datasets: Datasets) -> Plan:
    """Return a plan after the names of its samples are written, as far as the store does not hold them."""
    if unnamed := datasets.unnamed(plan.datasets):
        plan.recall_manifests()
        datasets.write_names(unnamed, plan.store)
    return plan


def _refuse_pattern(experiment: Experiment) -> None:
    if watched := experiment.watched:
        raise ExperimentError(
            f"model {watched.name}: checkpoint {watched.checkpoint} is a pattern: dawin watch runs what matches it"
        )


def _scored(experiment: Experiment, dataset: DatasetReference, head: Head | None) -> ScoredDataset:
    return ScoredDataset(dataset=dataset, head=head, precision=experiment.precision, logits=experiment.logits)


def _preprocessing(checkpoints: Checkpoints, experiment: Experiment, models: Sequence[ModelReference]) -> Chosen:
    """Return the preprocessing of all images, which is the same for every model."""
    size = experiment.preprocess.size or next(iter(checkpoints.image_sizes(models)), _SOME_SIZE)
    described, recorded = checkpoints.preprocessing(models), checkpoints.recorded_preprocessing(models)
    architecture = experiment.architecture if models else None
    return choose_preprocessing(experiment.preprocess, size, described, architecture, recorded)


def _facts(checkpoints: Checkpoints, models: Sequence[ModelReference], chosen: Chosen) -> dict[str, Any]:
    """Return the tower and the preprocessing, and where they come from, for the plan and the results."""
    pixels = vars(chosen.preprocessing) | {
        "mean": list(chosen.preprocessing.mean),
        "std": list(chosen.preprocessing.std),
        "source": chosen.source,
    }
    return {
        "architecture": models[0].architecture,
        "assumed": checkpoints.assumed(models),
        "preprocess": {name: value for name, value in pixels.items() if name != "border"},  # which is a data set's own
    }


def _heads(
    checkpoints: Checkpoints, experiment: Experiment, classes: Mapping[str, tuple[str, ...]], faults: Faults
) -> dict[str, Head]:
    """Return the heads outside the checkpoints by data set; the file of a head is missed without its images too."""
    heads = dict[str, Head]()
    for name in (dataset.name for dataset in experiment.datasets):
        wanted = experiment.head_of(name)
        if (name in classes and wanted is not None) or isinstance(wanted, str):
            head = faults.collect(_head, checkpoints, experiment, name, classes.get(name, ()))
            heads |= {name: head} if head else {}
    return heads


def _head(checkpoints: Checkpoints, experiment: Experiment, dataset: str, classes: tuple[str, ...]) -> Head:
    """Return the head that an experiment names for a data set."""
    wanted = experiment.head_of(dataset)
    if not isinstance(wanted, TextHeadSettings):
        return checkpoints.head(dataset, str(wanted))
    record = next(settings.record for settings in experiment.datasets if settings.name == dataset)
    prompts = Prompts(wanted.classes or (), wanted.templates or ())
    if not all(prompts):
        if record is None:
            raise ExperimentError(
                f"head of {dataset}: wanted `classes` and `templates`, or the data set's name in the `catalogue`"
            )
        listed = prompts_of(record.prompts, classes)
        prompts = Prompts(wanted.classes or listed.classes, wanted.templates or listed.templates)
    return checkpoints.text_head(dataset, prompts, wanted.text)


def _merges_per_sample(experiment: Experiment) -> bool:
    per_sample = (member.method.per_sample for member in experiment.members)
    return "samples" in experiment.merge.granularity or any(per_sample)


def _check_models(
    checkpoints: Checkpoints, experiment: Experiment, models: Sequence[ModelReference], faults: Faults
) -> None:
    """Collect the faults of models that do not fit together, or cannot be merged as the experiment wants."""
    faults.collect(checkpoints.check_layouts, models)
    if models and _merges_per_sample(experiment):
        faults.collect(checkpoints.check_coverage, models[0])
    faults.collect(_check_size, experiment, checkpoints.image_sizes(models))


def _check_size(experiment: Experiment, towers: Sequence[int]) -> None:
    wanted = experiment.preprocess.size
    if wanted and any(size != wanted for size in towers):
        raise ModelMismatch(f"preprocess.size: {wanted} pixels, but the models' towers take {towers[0]}; leave it out")


def _check_datasets(  # noqa: PLR0917  the parts of one check
    checkpoints: Checkpoints,
    experiment: Experiment,
    models: Sequence[ModelReference],
    datasets: Sequence[DatasetReference],
    heads: Mapping[str, Head],
    faults: Faults,
) -> None:
    """Collect the faults of data sets that fit no head, or that the experiment's methods cannot use."""
    for dataset in datasets:
        if dataset.name in heads or experiment.head_of(dataset.name) is None:
            faults.collect(checkpoints.check_classes, models, heads.get(dataset.name), dataset)
        faults.collect(_check_samples, experiment, dataset)
        faults.collect(_check_methods, experiment, dataset)
    if len(datasets) == len(experiment.datasets):
        faults.collect(_check_rows, experiment, datasets)


def _check_samples(experiment: Experiment, dataset: DatasetReference) -> None:
    clusters = experiment.merge.clusters
    if clusters != "auto" and "clusters" in experiment.merge.granularity and dataset.samples < clusters:
        raise too_few_for_clusters(dataset.name, dataset.samples, clusters)
    if experiment.merge.offset and len(experiment.models) == 2 and dataset.samples < 2:
        raise FitError(f"data set {dataset.name}: 1 sample, wanted at least 2 for merge.offset")


def _check_methods(experiment: Experiment, dataset: DatasetReference) -> None:
    methods, setup = dict.fromkeys(member.method for member in experiment.members), experiment.setup
    reasons = [reason for method in methods if (reason := method.refusal_on(dataset, setup))]
    if reasons:
        raise DatasetError("; ".join(f"data set {dataset.name}: {reason}" for reason in reasons))


def _check_rows(experiment: Experiment, datasets: Sequence[DatasetReference]) -> None:
    """Refuse an experiment whose methods leave out every data set, so that nothing remains to evaluate."""
    if experiment.merge.granularity or not datasets:
        return
    members, setup = experiment.members, experiment.setup
    if not any(present_on(member, dataset, setup) for member in members for dataset in datasets):
        reasons = "; ".join(left_out(experiment, datasets))
        raise DatasetError(f"baselines: nothing remains to evaluate: {reasons}")


def _plan(
    experiment: Experiment,
    store: Store,
    *,
    models: Sequence[ModelReference],
    everywhere: Sequence[ScoredDataset],
    facts: dict[str, Any],
) -> Plan:
    outputs = [tuple(OutputsReference(model=model, scored=scored) for model in models) for scored in everywhere]
    cells = [cell for of_dataset in outputs for cell in cells_of(experiment, of_dataset, everywhere)]
    settings = experiment.model_dump(mode="json", include={"merge", "baselines", "precision", "logits", "seed"}) | facts
    asked = dict.fromkeys(member.method.name for member in experiment.members)
    options = experiment.methods.by_method
    settings["methods"] = {name: options[name].model_dump(mode="json") for name in asked if name in options}
    settings["temperatures"] = {model.name: model.temperature for model in models}
    published = tuple(one.number for one in experiment.published)
    tuned_on = {scored.dataset.name: experiment.tuned_on(scored.dataset.name) for scored in everywhere}
    tuned = tuple(o for of in outputs for o in of if o.model.name == tuned_on[o.dataset.name])
    identity = {
        "computation": computation("results"),
        "schema": RESULTS.version,
        "metrics": [[metric.name, metric.version] for metric in METRICS],
        "experiment": experiment.name,
        "settings": settings,
        "cells": [[cell.method, cell.predictions.dataset.name, cell.predictions.id] for cell in cells],
        "groups": {scored.dataset.name: scored.dataset.group for scored in everywhere},
        "tuned": {one.dataset.name: one.id for one in tuned},
        "published": sorted([n.method, n.dataset, n.metric, n.value, n.source] for n in published),
    }
    record = RunRecord(
        experiment=experiment.name,
        run_id=f"r{digest_of(identity)[:12]}",
        settings=settings,
        checkpoints=tuple(model.url for model in models),
        published=published,
        tuned=tuned,
    )
    remarks = left_out(experiment, [scored.dataset for scored in everywhere])
    if not exists(store.url):
        remarks.append(f"store {store.url}: no such folder yet; a run makes it")
    return Plan(store, record, tuple(outputs), tuple(cells), experiment.reading, tuple(remarks))
