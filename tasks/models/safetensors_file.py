"""Safetensors files read tensor by tensor, from whatever can be read: no second copy of the file in memory."""

import json
from math import prod
from typing import Any, BinaryIO

import torch

from tasks.models.inert_pickle import DamagedFile

_LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def is_safetensors(start: bytes) -> bool:
    """Tell from the first nine bytes of a file: the header's length, then the header's first character."""
    return len(start) == 9 and int.from_bytes(start[:8], "little") <= _LARGEST_HEADER and start[8:9] == b"{"


def read_safetensors(file: BinaryIO) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, opened for reading, each in memory of its own.

    Raises:
        DamagedFile: the file ends early, or its header does not fit it.
    """
    length = int.from_bytes(file.read(8), "little")
    try:
        header = json.loads(file.read(length))
        entries = {name: _entry(entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFile(f"its header is damaged ({str(error).splitlines()[0][:80]})") from error
    start, found = 8 + length, {}
    for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2]):
        file.seek(start + begin)
        found[name] = _tensor(file, name, end - begin, dtype).reshape(shape)
    return {name: found[name] for name in entries}


def _entry(entry: Any) -> tuple[torch.dtype, list[int], int, int]:  # noqa: ANN401  JSON
    dtype, shape, (begin, end) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
        raise ValueError(f"numbers wanted, got {shape}, {begin}, {end}")
    if end - begin != prod(shape) * dtype.itemsize:
        raise ValueError(f"{end - begin} bytes for a tensor of shape {shape}")
    return dtype, shape, begin, end


def _tensor(file: BinaryIO, name: str, size: int, dtype: torch.dtype) -> torch.Tensor:
    pieces, missing = bytearray(), size
    while missing:
        piece = file.read(min(missing, 16 << 20))
        if not piece:
            raise DamagedFile(f"{name} ends early")
        pieces += piece
        missing -= len(piece)
    return torch.frombuffer(pieces, dtype=dtype) if size else torch.empty(0, dtype=dtype)
