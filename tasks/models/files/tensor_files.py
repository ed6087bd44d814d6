"""Tensors out of files, safely: no pickle is ever run, and no file costs more than a checkpoint of its size may."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import torch

from storage.text import shown
from tasks.errors import CheckpointError
from tasks.models.files.budget import DIGITS, NAME, TENSORS, Budget
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle
from tasks.models.files.file_kinds import START, kind_of
from tasks.models.files.legacy_file import read_legacy
from tasks.models.files.pickle_names import Inert
from tasks.models.files.safetensors_file import SafetensorsFile, is_safetensors
from tasks.models.files.torch_archive import read_archive

_DEEPEST = 64  # modules within modules
_VIEWS = 3  # times that a file's bytes may be looked at: a module that is held under two names is, twice
_FREE = 1 << 20  # bytes that need no such account


def read_tensors(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors by name, on the CPU.

    Which kind of file it is, is decided from its content: safetensors; PyTorch's zip files, of state dicts, of whole
    pickled modules and of TorchScript; PyTorch's files before 1.6. Pickles are read by a machine that can call nothing.

    Args:
        file: opened for reading, seekable.
        where: names the file in messages.
        path: the same file's local path where it has one; it is then mapped, not copied.

    Raises:
        CheckpointError: not a checkpoint, damaged, unsafe, or one whose reading would cost more than its size allows.
    """
    start = file.read(START)
    size = file.seek(0, 2)
    file.seek(0)
    try:
        if is_safetensors(start[:9]):
            tensors = SafetensorsFile(file).read(path)
        elif start.startswith(b"PK\x03\x04"):
            tensors = _flatten(read_archive(file, size, path))
        elif kind := kind_of(start):
            raise CheckpointError(f"{where}: not a checkpoint but {kind}")
        else:
            tensors = _flatten(read_legacy(file, size))
        _check(tensors, size)
    except UnsafePickle as error:
        raise CheckpointError(
            f"{where}: holds pickled code or objects, wanted tensors only; none of it was run ({shown(str(error))})"
        ) from error
    except TooCostly as error:
        raise CheckpointError(f"{where}: costs more to read than a checkpoint may ({shown(str(error))})") from error
    except DamagedFile as error:
        kind = "damaged safetensors file" if is_safetensors(start[:9]) else "not a checkpoint, or a truncated one"
        raise CheckpointError(f"{where}: {kind} ({shown(str(error))})") from error
    return tensors


def _check(tensors: Mapping[str, torch.Tensor], size: int) -> None:
    """Raise `TooCostly` or `DamagedFile` for tensors that are too many, too long in all, or have strange names."""
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


def _flatten(content: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401  whatever the file holds
    """Take the state dict out of a training checkpoint or of a module, and refuse what is neither."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if isinstance(content, Inert):
        return dict(_of_module(content, "", 0, Budget()))
    if isinstance(content, Mapping):
        return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    raise DamagedFile(f"wanted a state dict (names to tensors), got a {type(content).__name__}")


def _of_module(module: Inert, prefix: str, depth: int, budget: Budget) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what a module's `state_dict()` would have, from what was pickled; TorchScript's has plain attributes."""
    if depth > _DEEPEST:
        raise TooCostly(f"modules nested more than {_DEEPEST} deep")
    groups = [module.state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    members = [group for group in groups if isinstance(group, dict)] or [module.state]
    unkept = module.state.get("_non_persistent_buffers_set")
    budget.spend("members of modules", len(unkept) if isinstance(unkept, list) else 0)
    left_out = {name for name in unkept if isinstance(name, str)} if isinstance(unkept, list) else set()
    for name, value in (pair for group in members for pair in group.items()):
        budget.spend("members of modules")
        if name in left_out:
            continue
        if len(prefix) + len(name) > NAME:
            raise TooCostly(f"a tensor's name of more than {NAME} characters")
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, Inert):
            yield from _of_module(value, f"{prefix}{name}.", depth + 1, budget)
