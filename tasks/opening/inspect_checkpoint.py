"""The facts of a checkpoint for a person to read, whatever its family; also the reading that conversion starts from.

This module joins storage and models.
"""

from typing import Any, NamedTuple

import torch

from storage.identity import digest_of_file
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.architecture import described
from tasks.models.checkpoint import HEAD, HEAD_ALONE, PROJECTION, read_any, vision_of
from tasks.models.families.registry import Recognised
from tasks.models.files.safetensors_file import metadata_of
from tasks.models.identification import identify
from tasks.opening.model_descriptions import Description, described_in, read_beside


class DescribedCheckpoint(NamedTuple):
    """A checkpoint with the description that its own header, or else a file beside it, gives."""

    found: Recognised
    digest: str
    """SHA-256 of the file."""
    description: Description


class HeadShape(NamedTuple):
    """The shape of a classification head."""

    classes: int
    features: int

    def __str__(self) -> str:
        return f"{self.classes} classes of {self.features} features"


def inspect_checkpoint(location: Location) -> dict[str, Any]:
    """Return the facts of a checkpoint, or of a file that holds a head alone, by name.

    `head` is a `HeadShape`, or None where the checkpoint holds no head; the other facts are plain values.

    Raises:
        CheckpointError: the file cannot be read as a checkpoint.
    """
    found, digest, description = read_described(location)
    head = found.tensors.get(HEAD[0])
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in found.tensors.values()})
    return {
        "file": location.url,
        "family": found.family,
        **({} if found.family == HEAD_ALONE else _tower_facts(found, location, description)),
        "head": HeadShape(*head.shape) if head is not None else None,
        "tensors": len(found.tensors),
        "text tower": any(not name.startswith("visual.") and name not in HEAD for name in found.tensors),
        "types": ", ".join(types),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values()),
        "digest": digest,
    }


def read_described(location: Location) -> DescribedCheckpoint:
    """Return a checkpoint of any family, or a head alone, with its digest and its description.

    Raises:
        CheckpointError: the file cannot be read as a checkpoint, or its description is damaged.
    """
    with location.open() as file:
        digest = digest_of_file(file)
        file.seek(0)
        found = read_any(file, location.url, location.path if location.is_local else None)
        file.seek(0)
        own = described_in(metadata_of(file), location.url)
    beside = read_beside(location, named=own.architecture is not None)
    description = Description(own.architecture or beside.architecture, own.pixels or beside.pixels)
    return DescribedCheckpoint(found, digest, description)


def _tower_facts(found: Recognised, location: Location, description: Description) -> dict[str, str]:
    """Return a tower's architecture and preprocessing in words, each with its source."""
    state = vision_of(found.tensors, location.url)
    has_projection = "visual.conv1.weight" not in state or PROJECTION in state
    projection = "" if has_projection else "; no projection: the base's"
    pixels = description.pixels
    images = {"images": f"{pixels.source} it" if pixels else "no file beside it describes the preprocessing"}
    if description.architecture:
        words = described(description.architecture.value)
        return {"tower": f"{words}{projection}", "from": f"{description.architecture.source} it", **images}
    if not has_projection:  # its width stands in: identification needs some number of features
        width = state["visual.conv1.weight"].shape[0]
        state[PROJECTION] = torch.empty(width, width, device="meta")
    try:
        identified = identify(state, location.url)
    except CheckpointError as error:
        return {"tower": str(error).removeprefix(f"{location.url}: "), **images}
    source = f"its tensors; assumed: {identified.assumed}" if identified.assumed else "its tensors"
    return {"tower": f"{described(identified.architecture)}{projection}", "from": source, **images}
