"""Checkpoints read tensor by tensor, for merges that never need a whole model in memory."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import torch

from storage.text import shown
from tasks.errors import CheckpointError
from tasks.models.checkpoint import HEAD, read_checkpoint, vision_of
from tasks.models.families.recognition import recognise
from tasks.models.files.damage import DamagedFile
from tasks.models.files.safetensors_file import SafetensorsFile, is_safetensors


class LazyState(Mapping[str, torch.Tensor]):
    """A vision tower (and head) in a safetensors file; each tensor is read, as float32, when it is asked for.

    Args:
        file: opened for reading, and kept open as long as this is used.
        names: by open_clip's names, the file's.
        where: its address, for messages.
    """

    def __init__(self, file: SafetensorsFile, names: Mapping[str, str], where: str) -> None:
        self._file, self._names, self._where = file, names, where

    def __getitem__(self, name: str) -> torch.Tensor:
        return vision_of({name: self._file[self._names[name]]}, self._where)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def outline(self) -> dict[str, torch.Tensor]:
        """Return tensors of the same names and shapes, in the types they are read as, without numbers."""
        told = self._file.outline()
        return {ours: _as_read(told[theirs]) for ours, theirs in self._names.items()}


def open_state(file: BinaryIO, where: str, path: str | None = None) -> Mapping[str, torch.Tensor]:
    """Return a checkpoint's vision tower (and head) in float32, read lazily where its file allows.

    That is a safetensors file in which every tensor wanted lies as it is wanted. Others are read whole: pickles, and
    Hugging Face's towers, whose projections have to be packed.

    Raises:
        CheckpointError: what `read_checkpoint` refuses.
    """
    start = file.read(9)
    file.seek(0)
    if not is_safetensors(start):
        return read_checkpoint(file, where, path)
    try:
        opened = SafetensorsFile(file)
    except DamagedFile as error:
        raise CheckpointError(f"{where}: damaged safetensors file ({shown(str(error))})") from error
    outline = opened.outline()
    found = recognise(outline)
    if found is None:
        raise CheckpointError(f"{where}: no vision tower")
    theirs = {id(tensor): name for name, tensor in outline.items()}
    wanted = {name: t for name, t in found.tensors.items() if name.startswith("visual.") or name in HEAD}
    if any(id(tensor) not in theirs for tensor in wanted.values()):
        file.seek(0)
        return read_checkpoint(file, where, path)
    return LazyState(opened, {name: theirs[id(tensor)] for name, tensor in wanted.items()}, where)


def _as_read(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
