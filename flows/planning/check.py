"""From an experiment to a plan: every input looked at and found good, every object named, nothing computed yet."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flows.errors import ExperimentError
from flows.experiment.settings import Experiment, PreprocessSettings, TextHeadSettings
from flows.planning.cells import cells_of
from flows.planning.checkpoints import Checkpoints
from flows.planning.datasets import Listings
from flows.planning.plan import Plan
from flows.planning.preprocessing import Chosen, choose_pixels
from storage.errors import ObjectMissing
from storage.identity import digest_of
from storage.store import Store
from tasks.datasets.prompts import Prompts, prompts_of
from tasks.errors import DatasetError, FitError, InputError, ModelMismatch
from tasks.references.base import DatasetReference, Head, ModelReference, OutputsReference
from tasks.references.derived import RunRecord

T = TypeVar("T")

_SOME_SIZE = 224  # pixels, to list images by while no tower is known


def prepare(
    experiment: Experiment,
    store: Store,
    *,
    remember: bool = True,
    known: Checkpoints | None = None,
    listings: Listings | None = None,
) -> Plan:
    """Return what an experiment comes down to, with everything that can be checked beforehand checked.

    Checkpoints are hashed, and read whole the first time they are seen; what was found is remembered in the store
    (unless `remember` is off), so that the next run need not. Images are listed, not read.

    Args:
        experiment: the settings.
        store: where results are, and what is remembered.
        remember: whether it is.
        known: the experiment's checkpoints, where some were looked at before.
        listings: the data sets, where some were listed before.

    Raises:
        InputError: something is missing, damaged or does not fit together; all such faults in one message.
    """
    if landing := experiment.landing:
        raise ExperimentError(
            f"model {landing.name}: checkpoint {landing.checkpoint} stands for all that land: dawin watch"
        )
    known = known or Checkpoints(store, experiment.architecture, remember)
    listings = listings or Listings()
    faults = _Faults()
    models = [model for m in experiment.models if (model := faults.collect(known.model, m))]
    pixels = faults.collect(_pixels, known, experiment, models)
    # where no model was good the preprocessing is unknown; the folders are looked for all the same
    chosen = pixels or choose_pixels(PreprocessSettings(), _SOME_SIZE, {}, None, [])
    looks = [faults.collect(listings.find, one, chosen.preprocessing) for one in experiment.datasets]
    found = [look for look in looks if look is not None]
    datasets = [dataset for dataset, _ in found]
    named = [(dataset.name, classes) for dataset, classes in found if experiment.head_of(dataset.name) is not None]
    heads = {n: head for n, classes in named if (head := faults.collect(_head, known, experiment, n, classes))}
    faults.collect(known.check_layouts, models)
    if models and _merges_per_sample(experiment):
        faults.collect(known.check_coverage, models[0])
    faults.collect(_check_size, experiment, known.image_sizes(models))
    for dataset in datasets:
        if dataset.name in heads or experiment.head_of(dataset.name) is None:
            faults.collect(known.check_classes, models, heads.get(dataset.name), dataset)
        faults.collect(_check_samples, experiment, dataset)
    faults.raise_any()
    facts = _facts(known, models, chosen)
    return _plan(experiment, store, models=models, heads=heads, datasets=datasets, facts=facts)


def _pixels(known: Checkpoints, experiment: Experiment, models: Sequence[ModelReference]) -> Chosen:
    """Return the preprocessing of all images: the same for every model."""
    size = experiment.preprocess.size or next(iter(known.image_sizes(models)), _SOME_SIZE)
    described, recorded = known.pixels(models), known.recorded_pixels(models)
    architecture = experiment.architecture if models else None
    return choose_pixels(experiment.preprocess, size, described, architecture, recorded)


def _facts(known: Checkpoints, models: Sequence[ModelReference], chosen: Chosen) -> dict[str, Any]:
    """Return which tower and preprocessing are used, and where they come from, for the plan and the results."""
    pixels = vars(chosen.preprocessing) | {
        "mean": list(chosen.preprocessing.mean),
        "std": list(chosen.preprocessing.std),
        "source": chosen.source,
    }
    return {
        "architecture": models[0].architecture,
        "assumed": known.assumed(models),
        "preprocess": {name: value for name, value in pixels.items() if name != "border"},  # which is a data set's own
    }


def prepare_on(experiment: Experiment, dataset: str, store: Store) -> Plan:
    """Return the plan of one data set; the others are looked at only where a method does."""
    if experiment.looks_everywhere:
        return prepare(experiment, store).on(dataset)
    return prepare(experiment.on(dataset), store)


class _Faults:
    """Collects what is wrong, so that a user hears of everything at once."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def collect(self, function: Callable[..., T], *arguments: Any) -> T | None:  # noqa: ANN401
        """Return what the function returns, or None when it found a fault."""
        try:
            return function(*arguments)
        except (InputError, ObjectMissing) as error:
            self._errors.append(error)
            return None

    def raise_any(self) -> None:
        """Raise one error that lists all faults; where all are of one kind, of that kind."""
        kinds = {type(error) for error in self._errors}
        if self._errors:
            kind = kinds.pop() if len(kinds) == 1 else ExperimentError
            raise kind("; ".join(dict.fromkeys(str(error) for error in self._errors)))


def _head(known: Checkpoints, experiment: Experiment, dataset: str, classes: tuple[str, ...]) -> Head:
    """Return the head that an experiment names for a data set."""
    wanted = experiment.head_of(dataset)
    if not isinstance(wanted, TextHeadSettings):
        return known.head(dataset, str(wanted))
    record = next(settings.record for settings in experiment.datasets if settings.name == dataset)
    prompts = Prompts(wanted.classes or (), wanted.templates or ())
    if not all(prompts):
        if record is None:
            raise ExperimentError(
                f"head of {dataset}: wanted `classes` and `templates`, or the data set's name in the `catalogue`"
            )
        listed = prompts_of(record.prompts, classes)
        prompts = Prompts(wanted.classes or listed.classes, wanted.templates or listed.templates)
    return known.text_head(dataset, prompts, wanted.text)


def _merges_per_sample(experiment: Experiment) -> bool:
    return "samples" in experiment.merge.granularity or any(name.startswith("oracle") for name in experiment.baselines)


def _check_size(experiment: Experiment, towers: Sequence[int]) -> None:
    wanted = experiment.preprocess.size
    if wanted and any(size != wanted for size in towers):
        raise ModelMismatch(f"preprocess.size: {wanted} pixels, but the models' towers take {towers[0]}; leave it out")


def _check_samples(experiment: Experiment, dataset: DatasetReference) -> None:
    clusters = experiment.merge.clusters
    if clusters != "auto" and "clusters" in experiment.merge.granularity and dataset.samples < clusters:
        raise FitError(
            f"data set {dataset.name}: {dataset.samples} samples, wanted at least as many as merge.clusters={clusters}"
        )
    if experiment.merge.offset and len(experiment.models) == 2 and dataset.samples < 2:
        raise FitError(f"data set {dataset.name}: 1 sample, wanted at least 2 for merge.offset")
    chooses = any(name.startswith("greedy-soup") for name in experiment.baselines)
    if dataset.classes is None and chooses and dataset.name == experiment.merge.held_out:
        raise DatasetError(f"data set {dataset.name}: images without labels, but baseline greedy-soup chooses by them")
    if dataset.classes is None and any(name.startswith("oracle") for name in experiment.baselines):
        raise DatasetError(f"data set {dataset.name}: images without labels, but baseline oracle needs them")


def _plan(
    experiment: Experiment,
    store: Store,
    *,
    models: Sequence[ModelReference],
    heads: dict[str, Head],
    datasets: Sequence[DatasetReference],
    facts: dict[str, Any],
) -> Plan:
    outputs = [
        tuple(_outputs(experiment, model, dataset, heads.get(dataset.name)) for model in models) for dataset in datasets
    ]
    cells = [cell for of_dataset in outputs for cell in cells_of(experiment, of_dataset, outputs)]
    settings = experiment.model_dump(mode="json", include={"merge", "baselines", "precision", "logits", "seed"}) | facts
    settings["temperatures"] = {model.name: model.temperature for model in models}
    identity = {
        "experiment": experiment.name,
        "settings": settings,
        "cells": [[cell.method, cell.predictions.dataset.name, cell.predictions.id] for cell in cells],
        "groups": {dataset.name: dataset.group for dataset in datasets},
    }
    record = RunRecord(
        experiment=experiment.name,
        run_id=f"r{digest_of(identity)[:12]}",
        settings=settings,
        checkpoints=tuple(model.url for model in models),
    )
    return Plan(store=store, record=record, outputs=tuple(outputs), cells=tuple(cells))


def _outputs(
    experiment: Experiment, model: ModelReference, dataset: DatasetReference, head: Head | None
) -> OutputsReference:
    return OutputsReference(
        model=model, dataset=dataset, head=head, precision=experiment.precision, logits=experiment.logits
    )
