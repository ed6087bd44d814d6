"""The checkpoints of an experiment: hashed, read whole the first time they are seen, and remembered."""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from flows.experiment.settings import ModelSettings
from flows.planning.confined_check import Look, look_here
from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.identity import digest_of, digest_of_file
from storage.locations import Location
from storage.store import Store
from tasks.datasets.prompts import Prompts
from tasks.errors import CheckpointError, ModelMismatch, UncoveredLayer
from tasks.models.architecture import described
from tasks.models.state_differences import differences
from tasks.opening.model_descriptions import Beside, Described, read_beside
from tasks.references.base import DatasetReference, FileReference, Head, ModelReference, TextHeadReference

log = logging.getLogger("dawin.checkpoints")

# in a folder, or a repository of the Hub: what transformers and open_clip call a checkpoint's file
CHECKPOINT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
_SUMMARY_VERSION = 4  # of what is remembered of a checkpoint


def told(source: str | None) -> str:
    """Return, for the end of a message, where something that is missing can be had."""
    return f"; to be had: {source}" if source else ""


class Checkpoints:
    """Checkpoints, each read at most once, and never again when the store remembers what was found."""

    def __init__(self, store: Store, architecture: str | None, remember: bool, look: Look = look_here) -> None:
        self._store, self._architecture, self._remember, self._look = store, architecture, remember, look
        self._models: dict[str, dict[str, Any]] = {}
        self._heads: dict[str, dict[str, Any]] = {}
        self._references: dict[ModelSettings, ModelReference] = {}
        self._head_references: dict[str, FileReference] = {}  # by address
        self._beside: dict[str, Beside] = {}  # by folder
        self._base: ModelReference | None = None  # the first model

    def image_sizes(self, models: Sequence[ModelReference]) -> list[int]:
        """Return those of the towers, in pixels."""
        return [self._summary(model)["image_size"] for model in models]

    def pixels(self, models: Sequence[ModelReference]) -> dict[str, Described | None]:
        """Return, by model, which preprocessing its checkpoint, or a file beside it, describes; None: none."""
        return {model.name: self._pixels(model) for model in models}

    def _pixels(self, model: ModelReference) -> Described | None:
        if own := self._summary(model)["described"].get("pixels"):
            return Described(own, "the header of")
        return self._beside_of(Location(model.url)).pixels

    def recorded_pixels(self, models: Sequence[ModelReference]) -> list[dict[str, Any]]:
        """Return the preprocessings that open_clip records for the architecture which the experiment names."""
        return list(self._summary(models[0])["pixels"]) if models and self._architecture else []

    def assumed(self, models: Sequence[ModelReference]) -> str | None:
        """Return what of the models' architecture neither a file nor the tensors say, in words."""
        return next((found for model in models if (found := self._summary(model)["assumed"])), None)

    def _summary(self, model: ModelReference) -> dict[str, Any]:
        return self._models[f"{model.digest} {model.architecture}"]

    def model(self, settings: ModelSettings) -> ModelReference:
        """Return the reference of a model whose checkpoint is good."""
        if settings not in self._references:
            self._references[settings] = self._model(settings)
        return self._references[settings]

    def _model(self, settings: ModelSettings) -> ModelReference:
        try:
            location = checkpoint_file(settings.checkpoint, f"model {settings.name}")
            digest = self._digest(location, f"model {settings.name}")
        except CheckpointError as error:
            raise CheckpointError(f"{error}{told(settings.source)}") from error
        try:
            architecture = self._architecture_of(location)
            found = self._look_up(location, digest, "model", architecture, self._base)
        except CheckpointError as error:
            raise CheckpointError(f"model {settings.name}: {error}") from error
        projection = FileReference(url=self._base.url, digest=self._base.digest) if self._base else None
        reference = ModelReference(
            name=settings.name,
            url=location.url,
            digest=digest,
            temperature=settings.temperature,
            architecture=found["architecture"],
            tower=found["tower"],
            projection=projection if found["completed"] else None,
        )
        self._models[f"{digest} {found['architecture']}"] = found
        self._base = self._base or reference
        return reference

    def _architecture_of(self, location: Location) -> str | None:
        """Return the architecture that a checkpoint is to be read as; None: its tensors are all there is to go by.

        One that nothing describes takes the base's if that was described: merged models have one architecture.
        """
        if self._architecture is not None:
            return self._architecture
        if own := self._beside_of(location).architecture:
            return str(own.value)
        if self._base and self._is_described(self._base):
            return self._base.architecture
        return None

    def _is_described(self, model: ModelReference) -> bool:
        """Tell whether a checkpoint's own header, or a file beside it, describes its architecture."""
        own = self._summary(model)["described"].get("architecture")
        return own is not None or self._beside_of(Location(model.url)).architecture is not None

    def _beside_of(self, location: Location) -> Beside:
        folder = location.url.rpartition("/")[0]
        if folder not in self._beside:
            self._beside[folder] = read_beside(location, named=self._architecture is not None)
        return self._beside[folder]

    def head(self, dataset: str, url: str) -> FileReference:
        """Return the reference of a head whose file is good."""
        if url not in self._head_references:
            location = checkpoint_file(url, f"head of {dataset}")
            digest = self._digest(location, f"head of {dataset}")
            self._heads[digest] = self._look_up(location, digest, "head", None)
            self._head_references[url] = FileReference(url=location.url, digest=digest)
        return self._head_references[url]

    def text_head(self, dataset: str, prompts: Prompts, url: str | None) -> TextHeadReference:
        """Return the reference of a head made of class names by a text tower: that of a checkpoint, or the base's."""
        what = f"head of {dataset}"
        if url is not None:
            location = checkpoint_file(url, what)
            text = FileReference(url=location.url, digest=self._digest(location, what))
            found = self._look_up(location, text.digest, "model", self._architecture_of(location))
        elif self._base is None:
            raise CheckpointError(f"{what}: no text tower to make it with, the first model is not good")
        else:
            text = FileReference(url=self._base.url, digest=self._base.digest)
            found = self._summary(self._base)
        if found["text_features"] is None:
            raise CheckpointError(
                f"{what}: {text.url} has no text tower to make it with; name a head's file, or a checkpoint that has "
                "one as the head's `text`"
            )
        head = TextHeadReference(
            text=text, architecture=found["architecture"], classes=prompts.classes, templates=prompts.templates
        )
        self._heads[head.digest] = {"classes": len(prompts.classes), "features": found["text_features"]}
        return head

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

    def _digest(self, location: Location, what: str) -> str:
        """Return the SHA-256 of a file: of a local one always computed, of a remote one remembered by its etag."""
        try:
            fingerprint = location.fingerprint()
        except ObjectMissing as error:
            raise CheckpointError(f"{what}: checkpoint {location.url}: no such file{_neighbours(location)}") from error
        key = keys.checkpoint(f"etag-{digest_of({'url': location.url, 'etag': fingerprint})}")
        if not location.is_local and (found := self._remembered(key)):
            return str(found["sha256"])
        digest = _hashed(location.url, fingerprint)
        if not location.is_local and self._remember:
            self._store.replace(key, json.dumps({"sha256": digest, "url": location.url}).encode())
        return digest

    def _look_up(
        self, location: Location, digest: str, kind: str, architecture: str | None, base: ModelReference | None = None
    ) -> dict[str, Any]:
        looked_at = {
            "sha256": digest,
            "architecture": architecture,
            "kind": kind,
            "base": base.digest if base else None,
            "version": _SUMMARY_VERSION,
            "open_clip": version("open_clip_torch"),  # whose configurations and records a summary holds
        }
        key = keys.checkpoint(digest_of(looked_at))
        if found := self._remembered(key):
            return found
        found = self._look(kind, location, architecture, Location(base.url) if base else None)
        if self._remember:
            self._store.replace(key, json.dumps(found).encode())
        return found

    def _remembered(self, key: str) -> dict[str, Any] | None:
        """Return what the store remembers; None where that is nothing, or damaged: it is looked at again then."""
        try:
            found = json.loads(self._store.read(key))
        except ObjectMissing:
            return None
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and _is_record(found):
            return found
        log.warning("%s: damaged, looking at the checkpoint again", self._store.address(key))
        return None


def _is_record(found: dict[str, Any]) -> bool:
    """Tell whether a record is one of those that are kept here: a digest, or the summary of a head or a model."""
    if "sha256" in found:
        return isinstance(found["sha256"], str) and re.fullmatch("[0-9a-f]{64}", found["sha256"]) is not None
    wanted = {"classes", "features"}
    if not wanted.issuperset(found):
        wanted |= {"layout", "image_size", "completed", "uncovered", "text_features"}
        wanted |= {"architecture", "tower", "assumed", "pixels", "described"}
    return found.keys() >= wanted


def _fits(classes: int, dataset: DatasetReference) -> bool:
    """Tell whether a head has the classes of a data set; of one whose labels are numbers it may have more."""
    if dataset.head_classes is None:
        return dataset.classes is None or classes >= dataset.classes
    return classes == dataset.head_classes


def checkpoint_file(url: str, what: str) -> Location:
    """Return the file of a checkpoint, which in a folder has one of the names that the Hub's libraries give it."""
    try:
        return Location(url).file_among(CHECKPOINT_FILES)
    except ObjectMissing as error:
        raise CheckpointError(f"{what}: checkpoint {error}") from error


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
