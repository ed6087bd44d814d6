"""PyTorch's tensors, stored as views of storages and rebuilt within the bounds of the bytes that exist."""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import torch

from tasks.models.files.budget import DIMENSIONS, NUMBERS, Budget
from tasks.models.files.damage import DamagedFile, UnsafePickle
from tasks.models.files.pickle_names import Function, Global


class Storage(NamedTuple):
    """The bytes of one or more tensors."""

    data: torch.Tensor
    """(bytes,) uint8."""
    dtype: torch.dtype


class Identifier(NamedTuple):
    """A pickle's description of a storage that lies outside of it."""

    dtype: torch.dtype
    key: str
    size: int
    """Bytes."""
    view: Any
    """In files before PyTorch 1.6, the part of the storage that is meant; else None."""


def identified(identifier: Any) -> Identifier:  # noqa: ANN401  whatever the pickle holds
    """Return the storage that a persistent identifier describes.

    Raises:
        UnsafePickle: the identifier is not that of a storage.
        DamagedFile: the storage's type, name or size is unknown or malformed.
    """
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise UnsafePickle("a reference to something other than a storage")
    _, kind, key, _, count, *view = identifier
    dtype = _DTYPES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Global) else None
    if dtype is None:
        raise DamagedFile(f"a storage of an unknown type {kind.name if isinstance(kind, Global) else ''}".strip())
    if not isinstance(key, str) or type(count) is not int or not 0 <= count < NUMBERS:
        raise DamagedFile("a storage without a name or a size")
    return Identifier(dtype, key, count * dtype.itemsize, view[0] if view else None)


def _tensor(budget: Budget, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> torch.Tensor:  # noqa: ANN401
    """Build a tensor that looks at a storage; refuse one that reaches beyond the storage or is larger than it."""
    budget.spend("stored tensors")
    if not isinstance(storage, Storage):
        raise UnsafePickle("a tensor of something other than a storage")
    if any(isinstance(metadata, dict) and any(metadata.values()) for metadata in rest[2:]):
        raise DamagedFile("a tensor stored conjugated or negated")
    shape, steps = _numbers(size), _numbers(stride)
    (start,) = _numbers((offset,))
    if len(shape) != len(steps):
        raise DamagedFile(f"a tensor of {len(shape)} dimensions with {len(steps)} strides")
    available, wanted = len(storage.data) // storage.dtype.itemsize, prod(shape)
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if wanted else start - 1
    if last >= available or wanted > available or prod(max(n, 1) for n in shape) > NUMBERS:
        raise DamagedFile(f"a tensor of shape {shape}, more than the {available:,} numbers of its storage")
    flat = storage.data[: available * storage.dtype.itemsize].view(storage.dtype)
    return flat.as_strided(shape, steps, start)


def _typed(budget: Budget, *arguments: Any) -> torch.Tensor:  # noqa: ANN401
    """Build a tensor of a type without storages of its own, such as float8. The type is the seventh argument."""
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
        raise UnsafePickle("a parameter of something other than a tensor")
    return data


def _size(budget: Budget, items: Any = (), *_: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(items, tuple | list):
        raise DamagedFile("a shape that is not a list")
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
"""The functions of PyTorch that its pickles may call, by qualified name, as versions that distrust their arguments."""

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
