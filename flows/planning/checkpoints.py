"""The checkpoints of an experiment: named by reference, and checked against one another and the data sets."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from flows.experiment.input_settings import ModelSettings
from flows.planning.checkpoint_places import CheckpointPlaces
from flows.planning.checkpoint_records import HEAD, CheckpointRecords
from flows.planning.confined_check import Check, check_here
from storage.locations import Location
from storage.store import Store
from tasks.datasets.prompts import Prompts
from tasks.errors import CheckpointError, ModelMismatch, UncoveredLayer
from tasks.merging.state_differences import differences
from tasks.models.architecture import described
from tasks.opening.model_descriptions import Described, Description, read_beside
from tasks.references.datasets import DatasetReference
from tasks.references.heads import FileReference, Head, TextHeadReference
from tasks.references.models import ModelReference


class Checkpoints:
    """The checkpoints of an experiment.

    Args:
        store: remembers findings.
        architecture: the open_clip model that the experiment names.
        remember: whether new findings are written to the store.
        check: reads a checkpoint and returns its summary.
        experiment: its name; the store keeps the records of its checkpoints together. None: it does not.

    Attributes:
        places: the folders of checkpoints on S3 that are listed.
    """

    def __init__(
        self,
        store: Store,
        architecture: str | None,
        remember: bool,
        check: Check = check_here,
        experiment: str | None = None,
    ) -> None:
        self.places = CheckpointPlaces()
        self._records = CheckpointRecords(store, remember, check, self.places, experiment)
        self._architecture = architecture
        self._models: dict[str, dict[str, Any]] = {}
        self._heads: dict[str, dict[str, Any]] = {}
        self._references: dict[ModelSettings, ModelReference] = {}
        self._head_references: dict[str, FileReference] = {}  # by address
        self._beside: dict[str, Description] = {}  # by folder
        self._base: ModelReference | None = None  # the first model

    def keep(self) -> None:
        """Write the records of all checkpoints together into the store, so that one request reads them."""
        self._records.keep()

    def image_sizes(self, models: Sequence[ModelReference]) -> list[int]:
        """Return the sides of the images that the towers take, in pixels."""
        return [self._summary(model)["image_size"] for model in models]

    def preprocessing(self, models: Sequence[ModelReference]) -> dict[str, Described | None]:
        """Return, by model, the preprocessing that its header or a file beside it describes; None: none does."""
        return {model.name: self._preprocessing_of(model) for model in models}

    def _preprocessing_of(self, model: ModelReference) -> Described | None:
        if own := self._summary(model)["described"].get("pixels"):
            return Described(own, "the header of")
        return self._files_beside(Location(model.url)).pixels

    def recorded_preprocessing(self, models: Sequence[ModelReference]) -> list[dict[str, Any]]:
        """Return the preprocessings that open_clip records for the architecture which the experiment names."""
        return list(self._summary(models[0])["pixels"]) if models and self._architecture else []

    def assumed(self, models: Sequence[ModelReference]) -> str | None:
        """Return, in words, the parts of the architecture that neither a file nor the tensors determine, or None."""
        return next((found for model in models if (found := self._summary(model)["assumed"])), None)

    def _summary(self, model: ModelReference) -> dict[str, Any]:
        return self._models[f"{model.digest} {model.architecture}"]

    def model(self, settings: ModelSettings) -> ModelReference:
        """Return the reference of a model whose checkpoint is good.

        Raises:
            CheckpointError: it is missing, damaged, unsafe, or of no family that is known.
        """
        if settings not in self._references:
            self._references[settings] = self._model(settings)
        return self._references[settings]

    def _model(self, settings: ModelSettings) -> ModelReference:
        label = f"model {settings.name}"
        try:
            location = self._records.file(settings.checkpoint, label)
            digest = self._records.digest(location, label)
        except CheckpointError as error:
            source = f"; to be had: {settings.source}" if settings.source else ""
            raise CheckpointError(f"{error}{source}") from error
        try:
            found = self._records.summary(location, digest, "model", self._architecture_of(location), self._base)
        except CheckpointError as error:
            raise CheckpointError(f"{label}: {error}") from error
        projection = _file_of(self._base) if self._base else None
        reference = ModelReference(
            name=settings.name,
            url=location.url,
            digest=digest,
            temperature=settings.temperature,
            architecture=found["architecture"],
            tower=found["tower"],
            projection=projection if found["completed"] else None,
            parameters=_numbers(found["layout"], "visual."),
            head_parameters=_numbers(found["layout"], "head."),
            mark=self._records.mark(location),
        )
        self._models[f"{digest} {found['architecture']}"] = found
        self._base = self._base or reference
        return reference

    def _architecture_of(self, location: Location) -> str | None:
        """Return the architecture to read a checkpoint as; None: its tensors decide.

        A checkpoint that nothing describes takes the base's architecture if that was described: merged models have one
        architecture.
        """
        if self._architecture is not None:
            return self._architecture
        if own := self._files_beside(location).architecture:
            return str(own.value)
        if self._base and self._is_described(self._base):
            return self._base.architecture
        return None

    def _is_described(self, model: ModelReference) -> bool:
        """Return whether a checkpoint's own header, or a file beside it, describes its architecture."""
        own = self._summary(model)["described"].get("architecture")
        return own is not None or self._files_beside(Location(model.url)).architecture is not None

    def _files_beside(self, location: Location) -> Description:
        folder = location.url.rpartition("/")[0]
        if folder not in self._beside:
            named, is_described = self._architecture is not None, self.places.is_described(folder)
            self._beside[folder] = read_beside(location, named=named) if is_described else Description(None, None)
        return self._beside[folder]

    def head(self, dataset: str, url: str) -> FileReference:
        """Return the reference of a head whose file is good.

        Raises:
            CheckpointError: it is missing, damaged, or holds no head.
        """
        if url not in self._head_references:
            location = self._records.file(url, f"{HEAD}{dataset}")
            digest = self._records.digest(location, f"{HEAD}{dataset}")
            self._heads[digest] = self._records.summary(location, digest, "head", None)
            self._head_references[url] = self._file(location, digest)
        return self._head_references[url]

    def text_head(self, dataset: str, prompts: Prompts, url: str | None) -> TextHeadReference:
        """Return the reference of a head made of class names by a text tower: a checkpoint's, or the base's.

        Raises:
            CheckpointError: the checkpoint is not good, or has no text tower.
        """
        label = f"{HEAD}{dataset}"
        if url is not None:
            location = self._records.file(url, label)
            text = self._file(location, self._records.digest(location, label))
            found = self._records.summary(location, text.digest, "model", self._architecture_of(location))
        elif self._base is None:
            raise CheckpointError(f"{label}: no text tower to make it with, the first model is not good")
        else:
            text = _file_of(self._base)
            found = self._summary(self._base)
        if found["text_features"] is None:
            raise CheckpointError(
                f"{label}: {text.url} has no text tower to make it with; name a head's file, or a checkpoint that has "
                "one as the head's `text`"
            )
        head = TextHeadReference(
            text=text, architecture=found["architecture"], classes=prompts.classes, templates=prompts.templates
        )
        self._heads[head.digest] = {"classes": len(prompts.classes), "features": found["text_features"]}
        return head

    def _file(self, location: Location, digest: str) -> FileReference:
        return FileReference(url=location.url, digest=digest, mark=self._records.mark(location))

    def check_layouts(self, models: Sequence[ModelReference]) -> None:
        """Raise `ModelMismatch` unless all models have one architecture, and tensors of the same names and shapes."""
        for model in models[1:]:
            first, own = self._summary(models[0]), self._summary(model)
            if faults := differences(first["layout"], own["layout"]):
                raise ModelMismatch(f"model {model.name} does not fit {models[0].name}: {'; '.join(faults)}")
            if own["tower"] != first["tower"]:
                raise ModelMismatch(
                    f"model {model.name} is a {described(own['architecture'])}; {models[0].name} is a "
                    f"{described(first['architecture'])}; describe both alike, or name their `architecture`"
                )

    def check_coverage(self, model: ModelReference) -> None:
        """Raise `UncoveredLayer` when a model's tower cannot be merged per sample."""
        if reason := self._summary(model)["uncovered"]:
            raise UncoveredLayer(f"model {model.name}: {reason}")

    def classes(self, models: Sequence[ModelReference], head: Head | None, dataset: DatasetReference) -> int:
        """Return the length of a row of logits on a data set, whose head fits as `check_classes` says."""
        if dataset.groups:
            return len(dataset.groups)
        found = self._heads[head.digest] if head else self._summary(models[0])
        return int(found["classes"])

    def check_classes(self, models: Sequence[ModelReference], head: Head | None, dataset: DatasetReference) -> None:
        """Raise `ModelMismatch` unless the heads have the data set's classes; images without labels take any head."""
        faults = []
        for model in models:
            tower = self._summary(model)
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
            elif not _fits(classes, dataset):
                faults.append(f"model {model.name}: head of {classes} classes")
        if faults:
            count = dataset.head_classes or dataset.classes
            wanted = "" if count is None else f", which has {count} classes"
            raise ModelMismatch(f"{' and '.join(faults)}, for data set {dataset.name}{wanted}")


def _file_of(model: ModelReference) -> FileReference:
    return FileReference(url=model.url, digest=model.digest, mark=model.mark)


def _numbers(layout: Mapping[str, str], prefix: str) -> int:
    """Return how many floating-point numbers the tensors of a layout hold whose names begin with a prefix."""
    shapes = [shape.partition("] float") for name, shape in layout.items() if name.startswith(prefix)]
    return sum(prod(map(int, sizes.strip("[").split(",") if sizes != "[" else ())) for sizes, of, _ in shapes if of)


def _fits(classes: int, dataset: DatasetReference) -> bool:
    """Return whether a head has a data set's classes; if the labels are numbers it may have more."""
    if dataset.head_classes is None:
        return dataset.classes is None or classes >= dataset.classes
    return classes == dataset.head_classes
