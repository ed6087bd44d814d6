"""Safetensors files: read tensor by tensor, without a second copy of the file in memory, and written likewise."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, BinaryIO

import torch

from tasks.models.files.budget import DIMENSIONS, NAME, NUMBERS, TENSORS
from tasks.models.files.damage import DamagedFile, TooCostly
from tasks.models.files.file_bytes import FilePages, bytes_of, map_file
from tasks.models.files.file_format import FileFormat

_FORMAT_HEADER = 100_000_000  # bytes; the format's own limit
_LARGEST_HEADER = 4 << 20
"""Bytes of a header that is parsed. A tensor takes 150, so that the largest CLIP has a header of 150 KB, and the most
tensors that are allowed one of 1.5 MB. A header of lists takes 30 times its bytes once Python has parsed it."""
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "C64": torch.complex64,
}  # fmt: skip


_Entry = tuple[torch.dtype, list[int], int, int]


def is_safetensors(start: bytes) -> bool:
    """Return whether a file's first nine bytes are a header's length and a header's first character."""
    return len(start) == 9 and int.from_bytes(start[:8], "little") <= _FORMAT_HEADER and start[8:9] == b"{"


class SafetensorsFile(Mapping[str, torch.Tensor]):
    """The tensors of a safetensors file, opened for reading; each access to a tensor reads it from the file.

    `metadata` maps names to the texts that the header holds under them.

    Raises:
        DamagedFile: the file ends early, or does not fit its header.
        TooCostly: the header is larger than any checkpoint's.
    """

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if length > _LARGEST_HEADER:
            raise TooCostly(f"a header of {length:,} bytes, wanted at most {_LARGEST_HEADER:,}")
        self._file, self._start = file, 8 + length
        self._pages: FilePages | None = None
        self.metadata, self._entries = _entries(file.read(length))
        _check_places(self._entries.values(), size - self._start)

    def __getitem__(self, name: str) -> torch.Tensor:
        dtype, shape, begin, end = self._entries[name]
        self._file.seek(self._start + begin)
        return bytes_of(self._file, end - begin, name).view(dtype).reshape(shape)

    def view(self, name: str) -> torch.Tensor:
        """Return a tensor to look at until the next call: of a file of this machine its pages, and no copy."""
        dtype, shape, begin, end = self._entries[name]
        self._pages = self._pages or FilePages.of(self._file)
        if self._pages is None or begin == end:
            return self[name]
        return self._pages.numbers(dtype, (end - begin) // dtype.itemsize, self._start + begin).reshape(shape)

    def views(self) -> dict[str, torch.Tensor]:
        """Return all tensors: of a file of this machine they look at its pages, and are never to be written."""
        return {name: self.view(name) for name in self}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def outline(self) -> dict[str, torch.Tensor]:
        """Return tensors of the same names, shapes and types, without numbers."""
        return {name: torch.empty(e[1], dtype=e[0], device="meta") for name, e in self._entries.items()}

    def in_order(self) -> list[str]:
        """Return the names in the order in which their tensors lie in the file."""
        return sorted(self._entries, key=lambda name: self._entries[name][2])

    def read(self, path: str | None = None) -> dict[str, torch.Tensor]:
        """Return all tensors, mapped if the file has a local path, or else each in memory of its own."""
        found = self._mapped() if path else {name: self[name] for name in self.in_order()}
        return {name: found[name] for name in self}

    def _mapped(self) -> dict[str, torch.Tensor]:
        mapped, found = map_file(self._file), {}
        for name, (dtype, shape, begin, end) in self._entries.items():
            if self._start + end > len(mapped):
                raise DamagedFile(f"{name} ends early")
            count, place = (end - begin) // dtype.itemsize, self._start + begin
            flat = torch.frombuffer(mapped, dtype=dtype, count=count, offset=place) if count else torch.empty(0)
            found[name] = flat.to(dtype).reshape(shape)
        return found


def _entries(text: bytes) -> tuple[dict[str, str], dict[str, _Entry]]:
    """Return the metadata and the tensors' places that a header holds."""
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"its header is not JSON: {str(error)[:80]}") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DamagedFile("its header's __metadata__ is not texts by name")
    if len(header) > TENSORS:
        raise TooCostly(f"{len(header):,} tensors, wanted at most {TENSORS:,}")
    return metadata, {name: _entry(name, entry) for name, entry in header.items()}


def metadata_of(file: BinaryIO) -> dict[str, str]:
    """Return the texts in a safetensors file's header by name; nothing for a file of another format.

    Raises:
        DamagedFile: the file is damaged.
        TooCostly: the header is larger than any checkpoint's.
    """
    start = file.read(9)
    file.seek(0)
    return SafetensorsFile(file).metadata if is_safetensors(start) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that occurs twice")
    return found


def write_safetensors(
    file: BinaryIO,
    outline: Mapping[str, torch.Tensor],
    tensors: Iterable[tuple[str, torch.Tensor]],
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Write tensors as an iterable yields them, so that one of them is in memory at a time.

    Args:
        file: opened for writing.
        outline: tensors of the same names, shapes and types; they may be without numbers.
        tensors: names and tensors, in the outline's order.
        metadata: texts by name for the header; None: it holds none.

    Returns:
        The SHA-256 of the bytes written, 64 hex digits.

    Raises:
        ValueError: a tensor differs from the outline.
    """
    names = {dtype: name for name, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, tensor in outline.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # aligns the tensors
    start = len(text).to_bytes(8, "little") + text
    file.write(start)
    running = hashlib.sha256(start)
    for (wanted, like), (name, tensor) in zip(outline.items(), tensors, strict=True):
        if (wanted, like.dtype, like.shape) != (name, tensor.dtype, tensor.shape):
            raise ValueError(f"wanted {wanted} {like.dtype} {tuple(like.shape)}, got {name} {tensor.dtype}")
        if tensor.numel():
            content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
            file.write(content)
            running.update(content)
    return running.hexdigest()


def _check_places(entries: Iterable[_Entry], size: int) -> None:
    """Refuse tensors that overlap, with which a small file could fill the memory, and gaps between tensors."""
    place = 0
    for _, _, begin, end in sorted(entries, key=lambda entry: entry[2:]):
        if begin != place:
            raise DamagedFile(f"a tensor begins at {begin}, wanted {place}")
        place = end
    if place != size:
        raise DamagedFile(f"tensors of {place:,} bytes, the file has {size:,} for them")


def _entry(name: str, entry: Any) -> _Entry:  # noqa: ANN401  JSON
    if len(name) > NAME or not name.isprintable() or not isinstance(entry, dict):
        raise DamagedFile(f"its header names a tensor without a place, or with control characters, or more than {NAME}")
    kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    dtype = _DTYPES.get(kind) if isinstance(kind, str) else None
    if dtype is None:
        raise DamagedFile(f"{name} is of an unknown type")
    if not isinstance(shape, list) or len(shape) > DIMENSIONS or not isinstance(offsets, list) or len(offsets) != 2:
        raise DamagedFile(f"{name} has no shape of at most {DIMENSIONS} numbers and no two offsets")
    if not all(type(n) is int and 0 <= n < NUMBERS for n in (*shape, *offsets)):
        raise DamagedFile(f"{name} has a shape or offsets that are negative, huge or not whole numbers")
    begin, end = offsets
    if end - begin != prod(shape) * dtype.itemsize or prod(max(n, 1) for n in shape) > NUMBERS:
        raise DamagedFile(f"{name} has {end - begin:,} bytes, which are not those of its shape {shape}")
    return dtype, shape, begin, end


SAFETENSORS = FileFormat(
    begins=lambda start: is_safetensors(start[:9]),
    read=lambda file, _size, path: SafetensorsFile(file).read(path),
    when_damaged="damaged safetensors file",
)
