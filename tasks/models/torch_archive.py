"""PyTorch's zip files, TorchScript archives among them: their tensors, without running any of what they hold."""

import mmap
import zipfile
from collections.abc import Callable
from math import prod
from typing import Any, BinaryIO, NamedTuple

import torch

from tasks.models.inert_pickle import DamagedFile, UnsafePickle, read_pickle

_LOCAL_HEADER = 30  # bytes of a zip entry's own header, before its name and its extra field
_CHUNK = 16 << 20


class Storage(NamedTuple):
    """The bytes of one or more tensors."""

    data: torch.Tensor
    """(bytes,) uint8."""
    dtype: torch.dtype


def read_archive(file: BinaryIO, path: str | None = None) -> Any:  # noqa: ANN401  whatever it holds
    """Return what a PyTorch zip file holds: tensors as tensors, unknown objects inert.

    Args:
        file: opened for reading, seekable.
        path: the same file's local path where it has one; its tensors are then mapped, not copied.

    Raises:
        UnsafePickle: it asks for something to be called.
        DamagedFile: it is not such a file, or damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            pickled = next((name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")), None)
            if pickled is None:
                raise DamagedFile("a zip file without data.pkl")
            folder = pickled.rpartition("/")[0]
            if f"{folder}/byteorder" in names and archive.read(f"{folder}/byteorder") == b"big":
                raise DamagedFile("of a machine of the other byte order")
            storages = _Storages(archive, folder, file, path)
            return read_pickle(archive.read(pickled), _FUNCTIONS, storages.find)
    except zipfile.BadZipFile as error:
        raise DamagedFile(str(error)) from error
    except (EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DamagedFile(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


class _Storages:
    def __init__(self, archive: zipfile.ZipFile, folder: str, file: BinaryIO, path: str | None) -> None:
        self._archive, self._folder, self._file, self._path = archive, folder, file, path
        self._found: dict[str, torch.Tensor] = {}
        self._mapped: mmap.mmap | None = None

    def find(self, identifier: Any) -> Storage:  # noqa: ANN401  whatever the pickle says
        """Return the storage that a pickle's persistent identifier names."""
        if not isinstance(identifier, tuple) or len(identifier) < 4 or identifier[0] != "storage":
            raise UnsafePickle("a reference to something that is no storage")
        dtype, key = _DTYPES.get(getattr(identifier[1], "name", "").rpartition(".")[2]), str(identifier[2])
        if dtype is None:
            raise DamagedFile(f"a storage of an unknown type {identifier[1]}")
        if key not in self._found:
            self._found[key] = self._read(f"{self._folder}/data/{key}")
        return Storage(self._found[key], dtype)

    def _read(self, name: str) -> torch.Tensor:
        entry = self._archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise DamagedFile(f"{name} is compressed, which PyTorch does not do")
        if not entry.file_size:
            return torch.empty(0, dtype=torch.uint8)
        if self._path:
            return self._map(entry)
        content = bytearray(entry.file_size)
        view, place = memoryview(content), 0
        with self._archive.open(entry) as source:
            while place < len(content):
                piece = source.read(min(_CHUNK, len(content) - place))
                if not piece:
                    raise DamagedFile(f"{name} ends early")
                view[place : place + len(piece)] = piece
                place += len(piece)
        return torch.frombuffer(content, dtype=torch.uint8)

    def _map(self, entry: zipfile.ZipInfo) -> torch.Tensor:
        if self._mapped is None:
            with open(str(self._path), "rb") as file:
                # a private copy on write: torch wants memory that it could write to
                self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        header = self._mapped[entry.header_offset : entry.header_offset + _LOCAL_HEADER]
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        start = entry.header_offset + _LOCAL_HEADER + name + extra
        if header[:4] != b"PK\x03\x04" or start + entry.file_size > len(self._mapped):
            raise DamagedFile(f"{entry.filename} ends early")
        return torch.frombuffer(self._mapped, dtype=torch.uint8, count=entry.file_size, offset=start)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:  # noqa: ANN401
    """Build a tensor of a storage, refusing one that reaches beyond it or is larger than it."""
    if not isinstance(storage, Storage):
        raise UnsafePickle("a tensor of something that is no storage")
    numbers = [offset, *size, *stride]
    if not all(type(n) is int and n >= 0 for n in numbers) or len(size) != len(stride):
        raise DamagedFile(f"a tensor of shape {size}, strides {stride}, offset {offset}")
    width = torch.empty(0, dtype=storage.dtype).element_size()
    there, wanted = len(storage.data) // width, prod(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if wanted else offset - 1
    if last >= there or wanted > there:
        raise DamagedFile(f"a tensor of shape {tuple(size)}, more than the {there} numbers of its storage")
    flat = storage.data[: there * width].view(storage.dtype)
    return flat.as_strided(tuple(size), tuple(stride), offset)


def _parameter(data: Any, *_: Any) -> torch.Tensor:  # noqa: ANN401
    if not isinstance(data, torch.Tensor):
        raise UnsafePickle("a parameter of something that is no tensor")
    return data


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": lambda items=(): tuple(items),
}
_DTYPES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
