"""Looking at checkpoints, and writing them in our own form. Joins storage and models."""

import json
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from storage.identity import digest_of_file
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.architecture import described
from tasks.models.checkpoint import HEAD, HEAD_ALONE, PROJECTION, read_any, vision_of
from tasks.models.families.recognition import Recognised
from tasks.models.files.safetensors_file import metadata_of
from tasks.models.identification import identify
from tasks.opening.model_descriptions import Beside, described_in, read_beside

FORMAT = "2"  # of our own form: a safetensors file by open_clip's names, what is known of it in the header


def inspect_checkpoint(location: Location) -> dict[str, Any]:
    """Return the facts of a checkpoint, or of a file that holds a head alone, by name.

    Raises:
        CheckpointError: it is not one that can be read.
    """
    found, digest, known = _read(location)
    head = found.tensors.get(HEAD[0])
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in found.tensors.values()})
    facts = {
        "file": location.url,
        "family": found.family,
        **({} if found.family == HEAD_ALONE else _tower_facts(found, location, known)),
        "head": f"{head.shape[0]} classes of {head.shape[1]} features" if head is not None else "none",
        "tensors": len(found.tensors),
        "text tower": any(not name.startswith("visual.") and name not in HEAD for name in found.tensors),
        "types": ", ".join(types),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values()),
        "digest": digest,
    }
    return facts


def _tower_facts(found: Recognised, location: Location, known: Beside) -> dict[str, str]:
    """Return what is known of a tower's architecture and preprocessing, and where it is known from."""
    state = vision_of(found.tensors, location.url)
    lacks_projection = "visual.conv1.weight" in state and PROJECTION not in state
    projection = "; no projection: the base's" if lacks_projection else ""
    images = {"images": f"{known.pixels.source} it" if known.pixels else "no file beside it says"}
    if known.architecture:
        words = described(known.architecture.value)
        return {"tower": f"{words}{projection}", "from": f"{known.architecture.source} it", **images}
    if lacks_projection:  # how many features it leads to is all that is not known
        width = state["visual.conv1.weight"].shape[0]
        state[PROJECTION] = torch.empty(width, width, device="meta")
    try:
        identified = identify(state, location.url)
    except CheckpointError as error:
        return {"tower": str(error).removeprefix(f"{location.url}: "), **images}
    source = f"its tensors; assumed: {identified.assumed}" if identified.assumed else "its tensors"
    return {"tower": f"{described(identified.architecture)}{projection}", "from": source, **images}


def convert_checkpoint(location: Location, target: Path) -> dict[str, str]:
    """Write the vision tower and head of a checkpoint as a safetensors file of our own form; return its header.

    The numbers stay as they are, and the types too. The file appears whole or not at all.

    Raises:
        CheckpointError: it cannot be read, or there is a file already where it should be written.
    """
    if target.exists():
        raise CheckpointError(f"{target}: there is a file already; convert writes over nothing")
    found, digest, known = _read(location)
    if found.family == HEAD_ALONE:
        raise CheckpointError(f"{location.url}: a head alone, wanted a checkpoint with a vision tower")
    kept = {
        name: tensor.contiguous()
        for name, tensor in found.tensors.items()
        if name.startswith("visual.") or name in HEAD
    }
    header = {"dawin.format": FORMAT, "family": found.family, "source": location.url, "source_sha256": digest}
    header |= _described(known)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        written = Path(folder) / "checkpoint"
        safetensors.torch.save_file(kept, written, header)
        try:
            target.hardlink_to(written)  # refuses to write over a file that has come up meanwhile
        except FileExistsError as error:
            raise CheckpointError(f"{target}: there is a file already; convert writes over nothing") from error
    return header


def _described(known: Beside) -> dict[str, str]:
    """Return what is known of a checkpoint, for the header of its converted form."""
    kept = {"architecture": str(known.architecture.value)} if known.architecture else {}
    if known.pixels and not isinstance(known.pixels.value, CheckpointError):
        kept["preprocess"] = json.dumps(known.pixels.value)
    return kept


def _read(location: Location) -> tuple[Recognised, str, Beside]:
    """Return a checkpoint, its digest, and what its own header, else the files beside it, say of it."""
    with location.open() as file:
        digest = digest_of_file(file)
        file.seek(0)
        found = read_any(file, location.url, location.path if location.is_local else None)
        file.seek(0)
        own = described_in(metadata_of(file), location.url)
    beside = read_beside(location, named=own.architecture is not None)
    return found, digest, Beside(own.architecture or beside.architecture, own.pixels or beside.pixels)
