"""From an experiment to a plan: every input looked at and found good, every object named, nothing computed yet."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from flows.errors import ExperimentError
from flows.experiment import DatasetSettings, Experiment, ModelSettings
from flows.methods import baseline, dawin, matching
from flows.plan import Plan
from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.identity import digest_of, digest_of_file
from storage.locations import Location
from storage.store import Store
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import CheckpointError, DatasetError, FitError, InputError, ModelMismatch, UncoveredLayer
from tasks.layouts import differences
from tasks.listing import list_dataset
from tasks.references import (
    BinsReference,
    Cell,
    CoefficientsReference,
    DatasetReference,
    HeadReference,
    MixtureReference,
    ModelReference,
    OutputsReference,
    RunRecord,
)

# of OpenAI's CLIP models and everything tuned from them, per channel; open_clip.OPENAI_DATASET_MEAN and _STD
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_SUMMARY_VERSION = 2  # of what is remembered of a checkpoint

T = TypeVar("T")


def prepare(experiment: Experiment, store: Store, *, remember: bool = True) -> Plan:
    """Return what an experiment comes down to, with everything that can be checked beforehand checked.

    Checkpoints are hashed, and read whole the first time they are seen; what was found is remembered in the store
    (unless `remember` is off), so that the next run need not. Images are listed, not read.

    Raises:
        InputError: something is missing, damaged or does not fit together; all such faults in one message.
    """
    known = _Checkpoints(store, experiment.architecture, remember)
    faults = _Faults()
    models = [model for m in experiment.models if (model := faults.collect(known.model, m))]
    heads = {n: head for n, url in experiment.heads.items() if (head := faults.collect(known.head, n, url))}
    size = experiment.preprocess.size or next(iter(known.image_sizes), None)
    datasets = (
        [] if size is None else [d for s in experiment.datasets if (d := faults.collect(_dataset, s, experiment, size))]
    )
    faults.collect(known.check_layouts, models)
    if models and _merges_per_sample(experiment):
        faults.collect(known.check_coverage, models[0])
    faults.collect(_check_size, experiment, known.image_sizes)
    for dataset in datasets:
        faults.collect(known.check_classes, models, heads.get(dataset.name), dataset)
        faults.collect(_check_samples, experiment, dataset)
    faults.raise_any()
    return _plan(experiment, store, models, heads, datasets)


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
        """Raise the one fault there is, or one error that lists them all."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ExperimentError("; ".join(dict.fromkeys(str(error) for error in self._errors)))


class _Checkpoints:
    """Checkpoints, each read at most once, and never again when the store remembers what was found."""

    def __init__(self, store: Store, architecture: str | None, remember: bool) -> None:
        self._store, self._architecture, self._remember = store, architecture, remember
        self._models: dict[str, dict[str, Any]] = {}
        self._heads: dict[str, dict[str, Any]] = {}

    @property
    def image_sizes(self) -> list[int]:
        """Of the towers, in pixels, in the models' order."""
        return [found["image_size"] for found in self._models.values()]

    def model(self, settings: ModelSettings) -> ModelReference:
        """Return the reference of a model whose checkpoint is good."""
        location = Location(settings.checkpoint)
        digest = self._digest(location, f"model {settings.name}")
        try:
            self._models[digest] = self._look_up(location, digest, self._architecture, "model")
        except CheckpointError as error:
            raise CheckpointError(f"model {settings.name}: {error}") from error
        return ModelReference(
            name=settings.name,
            url=location.url,
            digest=digest,
            temperature=settings.temperature,
            architecture=self._architecture,
        )

    def head(self, dataset: str, url: str) -> HeadReference:
        """Return the reference of a head whose file is good."""
        location = Location(url)
        digest = self._digest(location, f"head of {dataset}")
        self._heads[digest] = self._look_up(location, digest, None, "head")
        return HeadReference(url=location.url, digest=digest)

    def check_layouts(self, models: Sequence[ModelReference]) -> None:
        """Raise `ModelMismatch` unless all models have tensors of the same names, shapes and types."""
        for model in models[1:]:
            wanted, got = self._models[models[0].digest]["layout"], self._models[model.digest]["layout"]
            if faults := differences(wanted, got):
                raise ModelMismatch(f"model {model.name} does not fit {models[0].name}: {'; '.join(faults)}")

    def check_coverage(self, model: ModelReference) -> None:
        """Raise `UncoveredLayer` when a model's tower cannot be merged per sample."""
        if reason := self._models[model.digest]["uncovered"]:
            raise UncoveredLayer(f"model {model.name}: {reason}")

    def check_classes(
        self, models: Sequence[ModelReference], head: HeadReference | None, dataset: DatasetReference
    ) -> None:
        """Raise `ModelMismatch` unless the heads have the data set's classes; images without labels take any head."""
        faults = []
        for model in models:
            tower = self._models[model.digest]
            found = self._heads[head.digest] if head else tower
            classes = found["classes"]
            if classes is None:
                faults.append(
                    f"model {model.name}: no classification head in its checkpoint, and none named in `heads`"
                )
            elif found["features"] != tower["features"]:
                faults.append(
                    f"model {model.name}: head for {found['features']} features, tower of {tower['features']}"
                )
            elif dataset.classes not in (None, classes):
                faults.append(f"model {model.name}: head of {classes} classes")
        if faults:
            wanted = "" if dataset.classes is None else f", which has {dataset.classes} classes"
            raise ModelMismatch(f"{' and '.join(faults)}, for data set {dataset.name}{wanted}")

    def _digest(self, location: Location, what: str) -> str:
        """Return the SHA-256 of a file: of a local one always computed, of a remote one remembered by its etag."""
        try:
            fingerprint = location.fingerprint()
        except ObjectMissing as error:
            raise CheckpointError(f"{what}: checkpoint {location.url}: no such file{_neighbours(location)}") from error
        key = keys.checkpoint(f"etag-{digest_of({'url': location.url, 'etag': fingerprint})}")
        if not location.is_local and self._store.exists(key):
            return str(json.loads(self._store.read(key))["sha256"])
        digest = _hashed(location.url, fingerprint)
        if not location.is_local and self._remember:
            self._store.replace(key, json.dumps({"sha256": digest, "url": location.url}).encode())
        return digest

    def _look_up(self, location: Location, digest: str, architecture: str | None, kind: str) -> dict[str, Any]:
        looked_at = {"sha256": digest, "architecture": architecture, "kind": kind, "version": _SUMMARY_VERSION}
        key = keys.checkpoint(digest_of(looked_at))
        if self._store.exists(key):
            found: dict[str, Any] = json.loads(self._store.read(key))
            return found
        from tasks.checking import examine_checkpoint, examine_head  # noqa: PLC0415  loads torch: only when needed

        found = examine_head(location) if kind == "head" else examine_checkpoint(location, architecture)
        if self._remember:
            self._store.replace(key, json.dumps(found).encode())
        return found


@lru_cache(maxsize=1024)
def _hashed(url: str, _fingerprint: str) -> str:
    """Hash a file, once a process while it does not change: its fingerprint holds times that cannot be set back."""
    with Location(url).open() as file:
        return digest_of_file(file)


def _neighbours(location: Location) -> str:
    """What lies beside a file that is missing, in words."""
    folder, _, _ = location.url.rpartition("/")
    try:
        there = [entry.path for entry in Location(folder).files() if "/" not in entry.path]
    except StorageError:
        return f"; {folder} does not exist"
    return f"; {folder} holds {', '.join(there[:5]) or 'no files'}{' …' if len(there) > 5 else ''}"


def _dataset(settings: DatasetSettings, experiment: Experiment, size: int) -> DatasetReference:
    chosen = experiment.preprocess
    preprocessing = Preprocessing(
        size=size, mean=chosen.mean or CLIP_MEAN, std=chosen.std or CLIP_STD, interpolation=chosen.interpolation
    )
    try:
        folder, digest = list_dataset(settings.images, settings.limit, preprocessing)
    except ObjectMissing as error:
        raise DatasetError(f"data set {settings.name}: images {settings.images}: no such folder") from error
    return DatasetReference(
        name=settings.name,
        url=settings.images,
        group=settings.group,
        digest=digest,
        samples=len(folder.paths),
        classes=len(folder.classes) or None,
        limit=settings.limit,
        preprocessing=preprocessing,
    )


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
    if dataset.classes is None and any(name.startswith("oracle") for name in experiment.baselines):
        raise DatasetError(f"data set {dataset.name}: images without labels, but baseline oracle needs them")


def _plan(
    experiment: Experiment,
    store: Store,
    models: Sequence[ModelReference],
    heads: dict[str, HeadReference],
    datasets: Sequence[DatasetReference],
) -> Plan:
    outputs = [
        tuple(
            OutputsReference(
                model=model,
                dataset=dataset,
                head=heads.get(dataset.name),
                precision=experiment.precision,
                logits=experiment.logits,
            )
            for model in models
        )
        for dataset in datasets
    ]
    cells = [cell for of_dataset in outputs for cell in _cells(experiment, of_dataset)]
    settings = experiment.model_dump(
        mode="json", include={"merge", "baselines", "precision", "logits", "seed", "preprocess"}
    )
    settings["temperatures"] = {model.name: model.temperature for model in models}
    identity = {
        "experiment": experiment.name,
        "settings": settings,
        "cells": [[cell.method, cell.predictions.dataset.name, cell.predictions.id] for cell in cells],
        "groups": {dataset.name: dataset.group for dataset in datasets},
    }
    record = RunRecord(experiment=experiment.name, run_id=f"r{digest_of(identity)[:12]}", settings=settings)
    return Plan(store=store, record=record, outputs=tuple(outputs), cells=tuple(cells))


def _cells(experiment: Experiment, outputs: tuple[OutputsReference, ...]) -> list[Cell]:
    merge = experiment.merge
    coefficients = CoefficientsReference(outputs=outputs, expertise=merge.expertise, offset=merge.offset)
    mixture = MixtureReference(coefficients=coefficients, components=merge.clusters, seed=experiment.seed)
    bins = BinsReference(coefficients=coefficients, bins=merge.bins, seed=experiment.seed)
    names = [reference.model.name for reference in outputs]
    methods = dict.fromkeys(method for name in experiment.baselines for method in matching(name, names))
    return [baseline(method, outputs, coefficients) for method in methods] + [
        dawin(granularity, mixture, bins) for granularity in merge.granularity
    ]
