"""Tensors out of files, safely: no pickle is ever run."""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import safetensors.torch
import torch
from safetensors import SafetensorError

from tasks.errors import CheckpointError
from tasks.models.inert_pickle import DamagedFile, Inert, UnsafePickle
from tasks.models.safetensors_file import is_safetensors, read_safetensors
from tasks.models.torch_archive import read_archive

_DEEPEST = 64  # modules within modules


def read_tensors(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors by name, on the CPU.

    Which kind of file it is, is decided from its content: safetensors; PyTorch's zip files, of state dicts, of whole
    pickled modules and of TorchScript, all read by a machine that can call nothing; PyTorch's files before 1.6, by
    `torch.load` with `weights_only=True`.

    Args:
        file: opened for reading, seekable.
        where: names the file in messages.
        path: the same file's local path where it has one; it is then mapped, not copied.

    Raises:
        CheckpointError: not a checkpoint, damaged, or unsafe.
    """
    start = file.read(9)
    file.seek(0)
    if is_safetensors(start):
        return _read_safetensors(file, where, path)
    content = _read_zip(file, where, path) if start[:4] == b"PK\x03\x04" else _read_legacy(file, where)
    return _flatten(content, where)


def _read_safetensors(file: BinaryIO, where: str, path: str | None) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path) if path else read_safetensors(file)
    except (SafetensorError, DamagedFile) as error:
        raise CheckpointError(f"{where}: damaged safetensors file ({error})") from error


def _read_zip(file: BinaryIO, where: str, path: str | None) -> Any:  # noqa: ANN401  whatever the file holds
    try:
        return read_archive(file, path)
    except UnsafePickle as error:
        raise CheckpointError(_unsafe(where, str(error))) from error
    except DamagedFile as error:
        raise CheckpointError(f"{where}: not a checkpoint, or a truncated one ({error})") from error


def _read_legacy(file: BinaryIO, where: str) -> Any:  # noqa: ANN401  whatever the file holds
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the files' age and kind; what is wrong with them raises
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" in str(error) or "WeightsUnpickler" in str(error):
            raise CheckpointError(_unsafe(where, _reason(error))) from error
        raise CheckpointError(f"{where}: not a checkpoint, or a damaged one ({_reason(error)})") from error
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise CheckpointError(f"{where}: not a checkpoint, or a truncated one ({_reason(error)})") from error


def _unsafe(where: str, reason: str) -> str:
    return f"{where}: holds pickled code or objects, wanted tensors only; none of it was run ({reason})"


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (named or lines or [type(error).__name__])[0][:200]


def _flatten(content: Any, where: str) -> dict[str, torch.Tensor]:  # noqa: ANN401  whatever the file holds
    """Take the state dict out of a training checkpoint or of a module, and refuse what is neither."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if isinstance(content, Inert):
        tensors = dict(_of_module(content, "", 0, where))
    elif isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    else:
        raise CheckpointError(f"{where}: wanted a state dict (names to tensors), got a {type(content).__name__}")
    if not tensors:
        raise CheckpointError(f"{where}: wanted a state dict (names to tensors), got no tensor in it")
    return tensors


def _of_module(module: Inert, prefix: str, depth: int, where: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what a module's `state_dict()` would have, from what was pickled; TorchScript's has plain attributes."""
    if depth > _DEEPEST:
        raise CheckpointError(f"{where}: modules nested more than {_DEEPEST} deep")
    groups = [module.state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    members = [group for group in groups if isinstance(group, dict)] or [module.state]
    for name, value in (pair for group in members for pair in group.items()):
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, Inert):
            yield from _of_module(value, f"{prefix}{name}.", depth + 1, where)
