"""Looking a checkpoint over before anything is computed with it. Joins storage and models."""

from typing import Any

from storage.locations import Location
from tasks.models.checkpoint import read_checkpoint, read_head
from tasks.models.summary import summarize


def examine_checkpoint(location: Location, architecture: str | None) -> dict[str, Any]:
    """Read a checkpoint whole and return its summary; `CheckpointError` when it is not good."""
    with location.open() as file:
        state = read_checkpoint(file, location.url, location.path if location.is_local else None)
    return summarize(state, location.url, architecture).to_json()


def examine_head(location: Location) -> dict[str, Any]:
    """Read a head and return how many classes and features it has; `CheckpointError` when it is not good."""
    with location.open() as file:
        state = read_head(file, location.url, location.path if location.is_local else None)
    classes, features = state["head.weight"].shape
    return {"classes": classes, "features": features}
