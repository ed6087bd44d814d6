"""Looking at checkpoints, and writing them in our own form. Joins storage and models."""

import json
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch

from storage.identity import digest_of_file
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.checkpoint import HEAD, read_family
from tasks.models.families import Recognised
from tasks.models.tower import infer_shape

FORMAT = "1"  # of our own form: a safetensors file by open_clip's names, what is known of it in the header


def inspect_checkpoint(location: Location) -> dict[str, Any]:
    """Return what can be said of a checkpoint: family, tower, head, tensors, types, bytes, digest.

    Raises:
        CheckpointError: it is not one that can be read.
    """
    found, digest = _read(location)
    head = found.tensors.get("head.weight")
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in found.tensors.values()})
    return {
        "file": location.url,
        "family": found.family,
        "tower": _tower(found, location.url),
        "head": f"{head.shape[0]} classes of {head.shape[1]} features" if head is not None else "none",
        "tensors": len(found.tensors),
        "text tower": any(not name.startswith("visual.") and name not in HEAD for name in found.tensors),
        "types": ", ".join(types),
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values()),
        "digest": digest,
    }


def convert_checkpoint(location: Location, target: Path) -> dict[str, str]:
    """Write the vision tower and head of a checkpoint as a safetensors file of our own form; return its header.

    The numbers stay as they are, and the types too. The file appears whole or not at all.

    Raises:
        CheckpointError: it cannot be read, or there is a file already where it should be written.
    """
    if target.exists():
        raise CheckpointError(f"{target}: there is a file already; convert writes over nothing")
    found, digest = _read(location)
    kept = {
        name: tensor.contiguous()
        for name, tensor in found.tensors.items()
        if name.startswith("visual.") or name in HEAD
    }
    header = {"dawin.format": FORMAT, "family": found.family, "source": location.url, "source_sha256": digest}
    header["tower"] = json.dumps(_tower(found, location.url))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        written = Path(folder) / "checkpoint"
        safetensors.torch.save_file(kept, written, header)
        try:
            target.hardlink_to(written)  # refuses to write over a file that has come up meanwhile
        except FileExistsError as error:
            raise CheckpointError(f"{target}: there is a file already; convert writes over nothing") from error
    return header


def _read(location: Location) -> tuple[Recognised, str]:
    with location.open() as file:
        digest = digest_of_file(file)
        file.seek(0)
        return read_family(file, location.url, location.path if location.is_local else None), digest


def _tower(found: Recognised, where: str) -> dict[str, Any] | str:
    """Return the shape of a CLIP vision transformer, or a word for another tower."""
    try:
        return dict(vars(infer_shape(found.tensors, where)))
    except CheckpointError:
        return "not a plain CLIP vision transformer: name its open_clip model as `architecture`"
