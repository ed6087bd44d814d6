"""Looking a checkpoint over before anything is computed with it. Joins storage, models and merging."""

from dataclasses import replace
from typing import Any

import torch

from storage.locations import Location
from tasks.errors import UncoveredLayer
from tasks.merging.per_sample import merge_per_sample
from tasks.models.checkpoint import read_checkpoint, read_head
from tasks.models.classifier import empty_tower
from tasks.models.summary import summarize


def examine_checkpoint(location: Location, architecture: str | None) -> dict[str, Any]:
    """Read a checkpoint whole and return its summary; `CheckpointError` when it is not good."""
    with location.open() as file:
        state = read_checkpoint(file, location.url, location.path if location.is_local else None)
    summary = summarize(state, location.url, architecture)
    tower = empty_tower(state, location.url, architecture)
    return replace(summary, uncovered=_uncovered(tower, summary.image_size)).to_json()


def _uncovered(tower: torch.nn.Module, size: int) -> str | None:
    """Return which layer of a tower without weights per-sample merging has no rule for."""
    state = tower.eval().state_dict()
    try:
        merge_per_sample(tower, [state, state]).prepare((3, size, size))
    except UncoveredLayer as error:
        return str(error)
    return None


def examine_head(location: Location) -> dict[str, Any]:
    """Read a head and return how many classes and features it has; `CheckpointError` when it is not good."""
    with location.open() as file:
        state = read_head(file, location.url, location.path if location.is_local else None)
    classes, features = state["head.weight"].shape
    return {"classes": classes, "features": features}
