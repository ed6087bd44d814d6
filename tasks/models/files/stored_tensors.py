"""Tensors as PyTorch stores them, views of storages; built within the bounds of the bytes that exist."""

import mmap
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple

import torch

from tasks.models.files.budget import DIMENSIONS, NUMBERS, Budget
from tasks.models.files.damage import DamagedFile, UnsafePickle
from tasks.models.files.pickle_names import Function, Global

_CHUNK = 16 << 20  # bytes read at once


class Storage(NamedTuple):
    """The bytes of one or more tensors."""

    data: torch.Tensor
    """(bytes,) uint8."""
    dtype: torch.dtype


class Identifier(NamedTuple):
    """What a pickle says of a storage that lies outside of it."""

    dtype: torch.dtype
    key: str
    size: int
    """Bytes."""
    view: Any
    """In files before PyTorch 1.6, which part of the storage is meant; else None."""


def identified(identifier: Any) -> Identifier:  # noqa: ANN401  whatever the pickle says
    """Return what a pickle's persistent identifier says of a storage."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise UnsafePickle("a reference to something that is no storage")
    _, kind, key, _, count, *view = identifier
    dtype = _DTYPES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Global) else None
    if dtype is None:
        raise DamagedFile(f"a storage of an unknown type {kind.name if isinstance(kind, Global) else ''}".strip())
    if not isinstance(key, str) or type(count) is not int or not 0 <= count < NUMBERS:
        raise DamagedFile("a storage without a name or a size")
    return Identifier(dtype, key, count * dtype.itemsize, view[0] if view else None)


def map_file(path: str) -> mmap.mmap:
    """Return a file's bytes as memory that is read when it is looked at."""
    with open(path, "rb") as file:
        # a private copy on write: torch wants memory that it could write to
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def bytes_of(file: BinaryIO, size: int, name: str) -> torch.Tensor:
    """Return the next bytes of a file, (size,) uint8; the caller checks beforehand that the file has so many."""
    content = torch.empty(size, dtype=torch.uint8)
    fill(file, content.numpy().data, name)
    return content


def fill(file: BinaryIO, view: memoryview, name: str) -> None:
    """Read the next bytes of a file into memory; raise `DamagedFile` where it ends early."""
    place = 0
    while place < len(view):
        piece = file.read(min(_CHUNK, len(view) - place))
        if not piece:
            raise DamagedFile(f"{name} ends early")
        view[place : place + len(piece)] = piece
        place += len(piece)


def _tensor(budget: Budget, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> torch.Tensor:  # noqa: ANN401
    """Build a tensor of a storage; refuse one that reaches beyond it or is larger than it."""
    budget.spend("stored tensors")
    if not isinstance(storage, Storage):
        raise UnsafePickle("a tensor of something that is no storage")
    if any(isinstance(metadata, dict) and any(metadata.values()) for metadata in rest[2:]):
        raise DamagedFile("a tensor stored conjugated or negated")
    shape, steps = _numbers(size), _numbers(stride)
    (start,) = _numbers((offset,))
    if len(shape) != len(steps):
        raise DamagedFile(f"a tensor of {len(shape)} dimensions with {len(steps)} strides")
    there, wanted = len(storage.data) // storage.dtype.itemsize, prod(shape)
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if wanted else start - 1
    if last >= there or wanted > there or prod(max(n, 1) for n in shape) > NUMBERS:
        raise DamagedFile(f"a tensor of shape {shape}, more than the {there:,} numbers of its storage")
    flat = storage.data[: there * storage.dtype.itemsize].view(storage.dtype)
    return flat.as_strided(shape, steps, start)


def _typed(budget: Budget, *arguments: Any) -> torch.Tensor:  # noqa: ANN401
    """Build a tensor of a type that has no storages of its own, such as float8; its type is the seventh argument."""
    storage, offset, size, stride, grad, hooks, kind, *rest = arguments
    dtype = _UNTYPED.get(kind.name) if isinstance(kind, Global) else None
    if dtype is None or not isinstance(storage, Storage):
        raise DamagedFile("a tensor of an unknown type")
    return _tensor(budget, Storage(storage.data, dtype), offset, size, stride, grad, hooks, *rest)


def _numbers(found: Any) -> tuple[int, ...]:  # noqa: ANN401
    if not isinstance(found, tuple | list) or len(found) > DIMENSIONS:
        raise DamagedFile(f"a tensor whose shape is not at most {DIMENSIONS} numbers")
    if not all(type(n) is int and 0 <= n < NUMBERS for n in found):
        raise DamagedFile("a tensor whose shape, strides or offset are negative, huge or not numbers")
    return tuple(found)


def _parameter(_budget: Budget, data: Any, *_: Any) -> torch.Tensor:  # noqa: ANN401
    if not isinstance(data, torch.Tensor):
        raise UnsafePickle("a parameter of something that is no tensor")
    return data


def _size(budget: Budget, items: Any = (), *_: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(items, tuple | list):
        raise DamagedFile("a shape of something that is not a list")
    budget.spend("copied items and bytes", len(items))
    return tuple(items)


FUNCTIONS: Mapping[str, Function] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": _size,
}
"""What PyTorch's pickles may really call."""

_DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8,
}  # fmt: skip
_UNTYPED = {
    f"torch.{name}": getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "uint16", "uint32", "uint64")
}
