"""PyTorch's zip files (since 1.6), TorchScript archives among them: a pickle of the objects, an entry a storage."""

import mmap
import zlib
from typing import Any, BinaryIO

import torch

from tasks.models.files.budget import PICKLE_BYTES
from tasks.models.files.damage import DamagedFile
from tasks.models.files.file_bytes import bytes_of, map_file
from tasks.models.files.file_format import FileFormat
from tasks.models.files.inert_pickle import read_pickle
from tasks.models.files.saved_state import WHEN_DAMAGED, state_of
from tasks.models.files.torch_storages import FUNCTIONS, Storage, identified
from tasks.models.files.zip_directory import ZipDirectory, check_sum

_WORD = 64  # bytes of the entry that names the byte order, at most


def read_archive(file: BinaryIO, size: int, path: str | None = None) -> Any:  # noqa: ANN401  whatever it holds
    """Return the object that a PyTorch zip file holds: tensors as tensors, objects of unknown classes inert.

    Args:
        file: opened for reading, seekable.
        size: of the file, in bytes.
        path: the same file's local path, if it has one. Its tensors are then mapped, not copied.

    Raises:
        UnsafePickle: the file's pickle asks for a call that no checkpoint needs.
        DamagedFile: the file is damaged, or another kind of zip file.
        TooCostly: reading the file would cost more than any checkpoint does.
    """
    archive = ZipDirectory(file, size)
    pickles = [name for name in archive.entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise DamagedFile(f"a zip file {'with several' if pickles else 'without'} data.pkl: PyTorch writes one")
    folder = pickles[0].rpartition("/")[0]
    if f"{folder}/byteorder" in archive.entries and archive.read(f"{folder}/byteorder", _WORD) == b"big":
        raise DamagedFile("written by a machine of the other byte order")
    storages = _Storages(archive, folder, file, path)
    return read_pickle(archive.read(pickles[0], PICKLE_BYTES), FUNCTIONS, storages.find)


class _Storages:
    """The storages of an archive; each is read when the pickle first names it."""

    def __init__(self, archive: ZipDirectory, folder: str, file: BinaryIO, path: str | None) -> None:
        self._archive, self._folder, self._file, self._path = archive, folder, file, path
        self._found: dict[str, torch.Tensor] = {}
        self._mapped: mmap.mmap | None = None

    def find(self, identifier: Any) -> Storage:  # noqa: ANN401  whatever the pickle holds
        """Return the storage that a persistent identifier of the pickle names."""
        wanted = identified(identifier)
        if wanted.key not in self._found:
            self._found[wanted.key] = self._read(f"{self._folder}/data/{wanted.key}")
        return Storage(self._found[wanted.key], wanted.dtype)

    def _read(self, name: str) -> torch.Tensor:
        entry = self._archive.entries.get(name)
        if entry is None:
            raise DamagedFile(f"{name} is missing")
        if entry.method:
            raise DamagedFile(f"{name} is compressed, which PyTorch does not do")
        if not entry.size:
            return torch.empty(0, dtype=torch.uint8)
        start = self._archive.place(entry)
        if self._path:
            self._mapped = self._mapped or map_file(self._file)
            if start + entry.size > len(self._mapped):
                raise DamagedFile(f"{name} ends early")
            return torch.frombuffer(self._mapped, dtype=torch.uint8, count=entry.size, offset=start)
        self._file.seek(start)
        content = bytes_of(self._file, entry.size, name)
        check_sum(entry, zlib.crc32(content.numpy().data))
        return content


TORCH_ZIP = FileFormat(
    begins=lambda start: start.startswith(b"PK\x03\x04"),
    read=lambda file, size, path: state_of(read_archive(file, size, path)),
    when_damaged=WHEN_DAMAGED,
)
