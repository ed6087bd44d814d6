"""The checkpoints and heads of a folder: read by the confined reader, named, and the base chosen among them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from flows.planning.checkpoint_records import checkpoint_file
from flows.planning.confined_check import Check
from flows.starting_file.slugs import distinct_names, plain, words
from flows.starting_file.tree import CHECKPOINT_SUFFIXES
from storage.errors import StorageError
from storage.locations import Location
from storage.text import shown
from tasks.errors import CheckpointError
from tasks.merging.state_differences import differences
from tasks.opening.model_descriptions import read_beside

log = logging.getLogger("dawin.init")

_BASES = ("zeroshot", "pretrained", "base", "start", "openai", "laion")
"""Words in the name of a base, the surest first; spelt with `-`, `_` or neither."""
_LONG = 8  # letters from which on a word is looked for inside of others: `myzeroshot`, but not `database`
_HEADS = frozenset({"head", "heads", "classifier", "classifiers"})


@dataclass(frozen=True)
class FoundModel:
    """A checkpoint with a vision tower."""

    name: str
    address: str
    """As the experiment file writes it."""
    summary: Mapping[str, Any]
    """From the check of the checkpoint: its classes, features, layout."""

    @property
    def classes(self) -> int | None:
        """Number of classes of its head; None without a head."""
        classes: int | None = self.summary["classes"]
        return classes

    @property
    def has_text_tower(self) -> bool:
        """Whether it can make heads of class names."""
        return self.summary["text_features"] is not None


@dataclass(frozen=True)
class FoundHead:
    """A file that holds a classification head alone."""

    name: str
    address: str
    classes: int
    features: int

    def is_of(self, dataset: str) -> bool:
        """Return whether the head's name is a data set's, apart from words such as `head`."""
        own = [word for word in words(self.name) if word not in _HEADS]
        return plain("".join(own)) == plain(dataset) or plain(self.name) == plain(dataset)


@dataclass(frozen=True)
class FoundCheckpoints:
    """All checkpoints of a folder."""

    models: tuple[FoundModel, ...]
    """The base first."""
    heads: tuple[FoundHead, ...]
    base_reason: str
    """Why the first model is the base, in words."""
    is_base_named: bool
    """Whether the base's own name says that it is one."""
    left_out: tuple[str, ...]
    """Files that are no inputs, each with its reason."""


def remembering(check: Check) -> Check:
    """Return a check of checkpoints that reads each file once: for the look here, and for the plan after it."""
    answers: dict[tuple[object, ...], dict[str, Any]] = {}

    def checked(kind: str, location: Location, architecture: str | None, base: Location | None) -> dict[str, Any]:
        asked = (kind, location.url, architecture, base and base.url)
        if asked not in answers:
            answers[asked] = check(kind, location, architecture, base)
        return answers[asked]

    return checked


def found_checkpoints(
    paths: Sequence[str], address_of: Callable[[str], str], check: Check, on_file: Callable[[str], None]
) -> FoundCheckpoints:
    """Return the models and heads among files.

    Args:
        paths: the files' names for readers, such as their paths in the folder.
        address_of: from such a name to the address.
        check: reads a checkpoint and returns its summary.
        on_file: called with each name before the file is read.
    """
    towers, heads, left_out = dict[str, dict[str, Any]](), list[FoundHead](), list[str]()
    for path in paths:
        on_file(path)
        try:
            kind, summary = _look(checkpoint_file(address_of(path), path), _is_named_head(path), check)
        except (CheckpointError, StorageError) as error:
            left_out.append(f"{path}: {str(error).replace(f'{shown(Location(address_of(path)).url)}: ', '')}")
            continue
        if kind == "head":
            heads.append(FoundHead(_stem(path), address_of(path), summary["classes"], summary["features"]))
        else:
            towers[path] = summary
    names = distinct_names([_stem(path) for path in towers])
    models = [FoundModel(n, address_of(path), towers[path]) for n, path in zip(names, towers, strict=True)]
    base, reason, is_named = _base(models)
    fitting = [m for m in models if m is base or not _misfit(base, m)]
    left_out += [f"{m.name}: does not fit {base.name}: {_misfit(base, m)}" for m in models if base and m not in fitting]
    ordered = tuple(sorted(fitting, key=lambda model: model is not base))
    return FoundCheckpoints(ordered, tuple(heads), reason, is_named, tuple(left_out))


def _look(location: Location, may_be_head: bool, check: Check) -> tuple[str, dict[str, Any]]:
    """Return `model` or `head` and the summary of a file; a file that is neither is refused as a model."""
    if may_be_head:
        try:
            return "head", check("head", location, None, None)
        except CheckpointError:
            return "model", check("model", location, _architecture(location), None)
    try:
        return "model", check("model", location, _architecture(location), None)
    except CheckpointError as error:
        try:
            return "head", check("head", location, None, None)
        except CheckpointError:
            raise error from None


def _architecture(location: Location) -> str | None:
    """Return the architecture that files beside a checkpoint describe."""
    described = read_beside(location).architecture
    return str(described.value) if described else None


def _is_named_head(path: str) -> bool:
    """Return whether a file's name, or its folder's, says that it is a head."""
    parts = PurePosixPath(path).parts
    return any(word in _HEADS for part in parts[-2:] for word in words(part))


def _stem(path: str) -> str:
    place = PurePosixPath(path)
    return str(place.with_suffix("")) if place.suffix in CHECKPOINT_SUFFIXES else path.rstrip("/")


def _base(models: Sequence[FoundModel]) -> tuple[FoundModel | None, str, bool]:
    """Return the base, the reason in words, and whether its name says so."""
    for word in _BASES:
        if named := [m for m in models if word in (plain(m.name) if len(word) >= _LONG else words(m.name))]:
            return min(named, key=lambda model: len(model.name)), f"its name says {word}", True
    if not models:
        return None, "", False
    return min(models, key=lambda model: model.name), "it comes first in the alphabet", False


def _misfit(base: FoundModel | None, model: FoundModel) -> str:
    """Return why a model cannot be merged with the base, in words; empty: it can."""
    if base is None:
        return ""
    return "; ".join(differences(base.summary["layout"], model.summary["layout"]))
