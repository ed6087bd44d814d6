"""Tensors out of files, safely: no pickle is ever run."""

import pickle
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

import safetensors.torch
import torch
from safetensors import SafetensorError

from tasks.errors import CheckpointError

_LARGEST_HEADER = 100_000_000  # bytes; the safetensors format's own limit


def read_tensors(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors by name, on the CPU.

    Which kind of file it is, is decided from its content. PyTorch files are read by `torch.load` with
    `weights_only=True`: one that holds pickled code is refused, and none of the code runs.

    Args:
        file: opened for reading, seekable.
        where: names the file in messages.
        path: the same file's local path where it has one; it is then mapped, not copied.

    Raises:
        CheckpointError: not a checkpoint, damaged, or unsafe.
    """
    start = file.read(9)
    file.seek(0)
    if _is_safetensors(start):
        return _read_safetensors(file, where, path)
    return _flatten(_read_torch(file, where, path), where)


def _is_safetensors(start: bytes) -> bool:
    return len(start) == 9 and int.from_bytes(start[:8], "little") <= _LARGEST_HEADER and start[8:9] == b"{"


def _read_safetensors(file: BinaryIO, where: str, path: str | None) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path) if path else safetensors.torch.load(file.read())
    except SafetensorError as error:
        raise CheckpointError(f"{where}: damaged safetensors file ({error})") from error


def _read_torch(file: BinaryIO, where: str, path: str | None) -> Any:  # noqa: ANN401  whatever the file holds
    is_archive = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the files' age and kind; what is wrong with them raises
            return _load(file, path if is_archive else None)
    except pickle.UnpicklingError as error:
        if "nsupported" in str(error) or "WeightsUnpickler" in str(error):
            raise CheckpointError(
                f"{where}: holds pickled code or objects, wanted tensors only; none of it was run ({_reason(error)})"
            ) from error
        raise CheckpointError(f"{where}: not a checkpoint, or a damaged one ({_reason(error)})") from error
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise CheckpointError(f"{where}: not a checkpoint, or a truncated one ({_reason(error)})") from error


def _load(file: BinaryIO, path: str | None) -> Any:  # noqa: ANN401  whatever the file holds
    if path:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return torch.load(file, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (named or lines or [type(error).__name__])[0][:200]


def _flatten(content: Any, where: str) -> dict[str, torch.Tensor]:  # noqa: ANN401  whatever the file holds
    """Take the state dict out of a training checkpoint, and refuse what is not one."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{where}: wanted a state dict (names to tensors), got a {type(content).__name__}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise CheckpointError(f"{where}: wanted a state dict (names to tensors), got no tensor in it")
    return tensors
