"""Safetensors files read tensor by tensor, from whatever can be read: no second copy of the file in memory."""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, BinaryIO

import torch

from tasks.models.inert_pickle import DamagedFile

_LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


_Entry = tuple[torch.dtype, list[int], int, int]


def is_safetensors(start: bytes) -> bool:
    """Tell from the first nine bytes of a file: the header's length, then the header's first character."""
    return len(start) == 9 and int.from_bytes(start[:8], "little") <= _LARGEST_HEADER and start[8:9] == b"{"


class SafetensorsFile(Mapping[str, torch.Tensor]):
    """The tensors of a safetensors file, opened for reading; each is read when it is asked for.

    Raises:
        DamagedFile: the file ends early, or its header does not fit it.
    """

    def __init__(self, file: BinaryIO) -> None:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length))
            self._entries = {name: _entry(entry) for name, entry in header.items() if name != "__metadata__"}
            _check_places(self._entries.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedFile(f"its header is damaged ({str(error).splitlines()[0][:80]})") from error
        self._file, self._start = file, 8 + length

    def __getitem__(self, name: str) -> torch.Tensor:
        dtype, shape, begin, end = self._entries[name]
        self._file.seek(self._start + begin)
        return _tensor(self._file, name, end - begin, dtype).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def outline(self) -> dict[str, torch.Tensor]:
        """Return tensors of the same names, shapes and types without numbers."""
        return {name: torch.empty(e[1], dtype=e[0], device="meta") for name, e in self._entries.items()}

    def in_order(self) -> list[str]:
        """Return the names in the order in which their tensors lie in the file."""
        return sorted(self._entries, key=lambda name: self._entries[name][2])


def read_safetensors(file: BinaryIO) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, opened for reading, each in memory of its own.

    Raises:
        DamagedFile: the file ends early, or its header does not fit it.
    """
    opened = SafetensorsFile(file)
    found = {name: opened[name] for name in opened.in_order()}
    return {name: found[name] for name in opened}


def write_safetensors(
    file: BinaryIO, outline: Mapping[str, torch.Tensor], tensors: Iterable[tuple[str, torch.Tensor]]
) -> None:
    """Write tensors as they come, one at a time in memory.

    Args:
        file: opened for writing.
        outline: their names, shapes and types; tensors without numbers will do.
        tensors: in the outline's order.
    """
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header, place = {}, 0
    for name, tensor in outline.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that tensors are aligned
    file.write(len(text).to_bytes(8, "little") + text)
    for (wanted, like), (name, tensor) in zip(outline.items(), tensors, strict=True):
        if (wanted, like.dtype, like.shape) != (name, tensor.dtype, tensor.shape):
            raise ValueError(f"wanted {wanted} {like.dtype} {tuple(like.shape)}, got {name} {tensor.dtype}")
        file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")


def _check_places(entries: Iterable[_Entry]) -> None:
    """Refuse tensors that overlap: a small file could fill the memory with them."""
    place = 0
    for _, _, begin, end in sorted(entries, key=lambda entry: entry[2:]):
        if begin != place:
            raise ValueError(f"a tensor begins at {begin}, wanted {place}")
        place = end


def _entry(entry: Any) -> _Entry:  # noqa: ANN401  JSON
    dtype, shape, (begin, end) = _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and 0 <= n < 2**48 for n in (*shape, begin, end)):
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
