"""Checkpoints read tensor by tensor, for merges that never hold a whole model in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import torch

from storage.text import shown
from tasks.errors import CheckpointError
from tasks.models.checkpoint import HEAD, read_checkpoint, vision_of
from tasks.models.families.registry import recognise
from tasks.models.files.damage import DamagedFile
from tasks.models.files.safetensors_file import SafetensorsFile, is_safetensors


class LazyState(Mapping[str, torch.Tensor]):
    """A vision tower (and head) in a safetensors file; each access to a tensor reads it from the file, as float32.

    Args:
        file: opened for reading; it must stay open as long as this object is used.
        names: open_clip's names to the file's.
        where: the file's address, for messages.
    """

    def __init__(self, file: SafetensorsFile, names: Mapping[str, str], where: str) -> None:
        self._file, self._names, self._where = file, names, where

    def __getitem__(self, name: str) -> torch.Tensor:
        with _as_checkpoint_errors(self._where):
            return vision_of({name: self._file[self._names[name]]}, self._where)[name]

    @property
    def views(self) -> "Views":
        """The same tensors to look at: each until the next one, not to be written, and with no check of its numbers."""
        return Views(self._file, self._names, self._where)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def outline(self) -> dict[str, torch.Tensor]:
        """Return tensors of the same names, shapes and types (float32 for all floats), without numbers."""
        stored = self._file.outline()
        return {ours: _as_read(stored[theirs]) for ours, theirs in self._names.items()}


class Views(Mapping[str, torch.Tensor]):
    """The tensors of a `LazyState` as a look at the file's pages, where its path is local and they are float32."""

    def __init__(self, file: SafetensorsFile, names: Mapping[str, str], where: str) -> None:
        self._file, self._names, self._where = file, names, where

    def __getitem__(self, name: str) -> torch.Tensor:
        with _as_checkpoint_errors(self._where):
            return _as_read(self._file.view(self._names[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def open_state(file: BinaryIO, where: str, path: str | None = None) -> Mapping[str, torch.Tensor]:
    """Return a checkpoint's vision tower (and head) in float32, read lazily if the file allows it.

    A file allows it if it is a safetensors file in which every wanted tensor lies as it is wanted. Other files are read
    whole: PyTorch's own files, and those of Hugging Face, whose attention projections have to be packed.

    Args:
        file: opened for reading, seekable.
        where: the file's address, for messages.
        path: the same file's local path, if it has one.

    Raises:
        CheckpointError: `read_checkpoint` would refuse the file.
    """
    start = file.read(9)
    file.seek(0)
    if not is_safetensors(start):
        return read_checkpoint(file, where, path)
    with _as_checkpoint_errors(where):
        opened = SafetensorsFile(file)
    outline = opened.outline()
    found = recognise(outline, where)
    if found is None:
        raise CheckpointError(f"{where}: no vision tower")
    theirs = {id(tensor): name for name, tensor in outline.items()}
    wanted = {name: t for name, t in found.tensors.items() if name.startswith("visual.") or name in HEAD}
    if any(id(tensor) not in theirs for tensor in wanted.values()):
        file.seek(0)
        return read_checkpoint(file, where, path)
    return LazyState(opened, {name: theirs[id(tensor)] for name, tensor in wanted.items()}, where)


@contextmanager
def _as_checkpoint_errors(where: str) -> Iterator[None]:
    try:
        yield
    except DamagedFile as error:
        raise CheckpointError(f"{where}: damaged safetensors file ({shown(str(error))})") from error


def _as_read(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
