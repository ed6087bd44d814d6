"""Checkpoints of any family written in our own form: a safetensors file by open_clip's names, described in its header.

This module joins storage and models.
"""

import json
import tempfile
from pathlib import Path

import safetensors.torch

from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.checkpoint import HEAD, HEAD_ALONE
from tasks.opening.inspect_checkpoint import read_described
from tasks.opening.model_descriptions import Description

FORMAT = "2"
"""The version of our own form, which the header holds as `dawin.format`."""


def convert_checkpoint(location: Location, target: Path) -> dict[str, str]:
    """Write the vision tower and head of a checkpoint as a safetensors file of our own form; return its header.

    The numbers keep their values and their types. The file appears whole or not at all.

    Raises:
        CheckpointError: the checkpoint cannot be read, or the target exists already.
    """
    if target.exists():
        raise CheckpointError(f"{target}: the file exists already; convert overwrites nothing")
    found, digest, description = read_described(location)
    if found.family == HEAD_ALONE:
        raise CheckpointError(f"{location.url}: a head alone, wanted a checkpoint with a vision tower")
    kept = {
        name: tensor.contiguous()
        for name, tensor in found.tensors.items()
        if name.startswith("visual.") or name in HEAD
    }
    header = {"dawin.format": FORMAT, "family": found.family, "source": location.url, "source_sha256": digest}
    header |= _described(description)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        written = Path(folder) / "checkpoint"
        safetensors.torch.save_file(kept, written, header)
        try:
            target.hardlink_to(written)  # refuses a target that another process has written meanwhile
        except FileExistsError as error:
            raise CheckpointError(f"{target}: the file exists already; convert overwrites nothing") from error
    return header


def _described(description: Description) -> dict[str, str]:
    """Return a checkpoint's description as entries of a header."""
    kept = {"architecture": str(description.architecture.value)} if description.architecture else {}
    if description.pixels and not isinstance(description.pixels.value, CheckpointError):
        kept["preprocess"] = json.dumps(description.pixels.value)
    return kept
