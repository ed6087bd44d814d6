"""Tensors read from files of any format, safely: no pickle is executed, and no file costs more than its size allows."""

from collections.abc import Mapping
from typing import BinaryIO

import torch

from storage.text import shown
from tasks.errors import CheckpointError
from tasks.models.files.budget import DIGITS, NAME, TENSORS
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle
from tasks.models.files.file_format import FileFormat
from tasks.models.files.foreign_files import START, kind_of
from tasks.models.files.safetensors_file import SAFETENSORS
from tasks.models.files.torch_legacy import TORCH_LEGACY
from tasks.models.files.torch_zip import TORCH_ZIP

FORMATS: tuple[FileFormat, ...] = (
    SAFETENSORS,
    TORCH_ZIP,
    TORCH_LEGACY,
)
"""In order of precedence: the first format that may begin as the file does reads it."""

_VIEWS = 3  # tensors may look at a file's bytes so many times: a module that is held under two names does so twice
_FREE = 1 << 20  # bytes of tensors that any file may have


def read_tensors(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors by name, on the CPU.

    The file's content decides its format, and its name does not matter.

    Args:
        file: opened for reading, seekable.
        where: the file's address, for messages.
        path: the same file's local path, if it has one. The file is then mapped, not copied.

    Raises:
        CheckpointError: the file is no checkpoint, is damaged or unsafe, or would cost more to read than its size
            allows.
    """
    start = file.read(START)
    size = file.seek(0, 2)
    file.seek(0)
    found = next((one for one in FORMATS if one.begins(start)), None)
    if found is None:
        raise CheckpointError(f"{where}: not a checkpoint but {kind_of(start)}")
    try:
        tensors = dict(found.read(file, size, path))
        _check(tensors, size)
    except UnsafePickle as error:
        raise CheckpointError(
            f"{where}: holds pickled code or objects, wanted tensors only; none of it was run ({shown(str(error))})"
        ) from error
    except TooCostly as error:
        raise CheckpointError(f"{where}: costs more to read than a checkpoint may ({shown(str(error))})") from error
    except DamagedFile as error:
        raise CheckpointError(f"{where}: {found.when_damaged} ({shown(str(error))})") from error
    return tensors


def _check(tensors: Mapping[str, torch.Tensor], size: int) -> None:
    """Raise `TooCostly` or `DamagedFile` for too many tensors, too many bytes of them in all, or strange names."""
    if not tensors:
        raise DamagedFile("wanted a state dict (names to tensors), got no tensor in it")
    if len(tensors) > TENSORS:
        raise TooCostly(f"{len(tensors):,} tensors, wanted at most {TENSORS:,}")
    for name in tensors:
        if len(name) > NAME or not name.isprintable():
            raise DamagedFile(f"a tensor whose name has control characters, or more than {NAME}: {shown(name, 40)}")
        if any(part.isdecimal() and len(part) > DIGITS for part in name.split(".")):
            raise TooCostly(f"a layer's number of more than {DIGITS} digits: {shown(name, 60)}")
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if total > _VIEWS * size + _FREE:
        raise TooCostly(f"tensors of {total:,} bytes out of a file of {size:,}")
