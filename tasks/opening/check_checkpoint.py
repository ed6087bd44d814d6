"""Checks of a checkpoint before anything is computed with it: the file is read whole, once, and summarised.

This module joins storage, models and merging.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

import torch

from storage.locations import Location
from tasks.errors import CheckpointError, UncoveredLayer
from tasks.merging.per_sample import merge_per_sample
from tasks.models.architecture import as_text, configuration_in
from tasks.models.checkpoint import PROJECTION, read_checkpoint, read_family, read_head, vision_of
from tasks.models.classifier import empty_tower
from tasks.models.files.damage import DamagedFile, TooCostly
from tasks.models.files.safetensors_file import metadata_of
from tasks.models.summary import summarize
from tasks.models.text_tower import text_features
from tasks.opening.model_descriptions import described_in

R = TypeVar("R")


def check_checkpoint(location: Location, architecture: str | None, base: Location | None = None) -> dict[str, Any]:
    """Return the summary of a checkpoint, as plain values, after reading the whole file.

    Args:
        location: the checkpoint.
        architecture: an open_clip model's name, or a configuration as text. The checkpoint's own header takes
            precedence over a configuration. None: the tensors' shapes identify the architecture.
        base: the checkpoint whose last projection completes a tower that comes without one, as Hugging Face's may.

    Raises:
        CheckpointError: the checkpoint cannot be used; the message says why.
    """
    own = described_in(_read(location, _header), location.url)
    is_named = architecture is not None and configuration_in(architecture) is None
    if own.architecture and not is_named:  # the header knows better than the files beside the checkpoint
        architecture = str(own.architecture.value)
    found = _read(location, read_family)
    state = vision_of(found.tensors, location.url)
    completed = base is not None and found.projection_optional and PROJECTION not in state
    if completed and base is not None:
        projection = _read(base, read_checkpoint).get(PROJECTION)
        if projection is None:
            raise CheckpointError(f"{location.url}: has no projection of its own, and {base.url} has none to lend")
        state[PROJECTION] = projection
        architecture = _with_features(architecture, projection.shape[1])
    summary = summarize(state, location.url, architecture)
    tower = empty_tower(state, location.url, summary.architecture)
    return replace(
        summary,
        uncovered=_uncovered(tower, summary.image_size),
        text_features=text_features(found.tensors),
        completed=completed,
        described={name: value.value for name, value in own._asdict().items() if value},
    ).to_json()


def check_head(location: Location) -> dict[str, Any]:
    """Return the numbers of `classes` and `features` of a file that holds a head alone.

    Raises:
        CheckpointError: the file holds no head, or is damaged.
    """
    state = _read(location, read_head)
    classes, features = state["head.weight"].shape
    return {"classes": classes, "features": features}


def _with_features(architecture: str | None, features: int) -> str | None:
    """Return a configuration with another `embed_dim`, since a tower without a projection does not know its own."""
    configuration = configuration_in(architecture) if architecture else None
    return as_text({**configuration, "embed_dim": features}) if configuration else architecture


def _read(location: Location, read: Callable[[BinaryIO, str, str | None], R]) -> R:
    with location.open() as file:
        return read(file, location.url, location.path if location.is_local else None)


def _header(file: BinaryIO, where: str, _path: str | None) -> dict[str, str]:
    try:
        return metadata_of(file)
    except (DamagedFile, TooCostly) as error:
        raise CheckpointError(f"{where}: damaged safetensors file ({error})") from error


def _uncovered(tower: torch.nn.Module, size: int) -> str | None:
    """Return the message about a layer that per-sample merging has no rule for; None when it covers the tower."""
    state = tower.eval().state_dict()
    try:
        merge_per_sample(tower, [state, state]).prepare((3, size, size))
    except UncoveredLayer as error:
        return str(error)
    return None
