"""PyTorch's files before 1.6: five pickles in a row, then the storages. None of it is executed."""

import io
from typing import Any, BinaryIO

import torch

from tasks.models.files.budget import PICKLE_BYTES, Budget
from tasks.models.files.damage import DamagedFile
from tasks.models.files.file_bytes import fill
from tasks.models.files.file_format import FileFormat
from tasks.models.files.foreign_files import kind_of
from tasks.models.files.inert_pickle import read_pickle
from tasks.models.files.pickle_names import Global
from tasks.models.files.saved_state import WHEN_DAMAGED, state_of
from tasks.models.files.torch_storages import FUNCTIONS, Storage, identified

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle
_PROTOCOL = 1001  # the second pickle


def read_legacy(file: BinaryIO, size: int) -> Any:  # noqa: ANN401  whatever it holds
    """Return the object that a PyTorch file before 1.6 holds: tensors as tensors, objects of unknown classes inert.

    Args:
        file: opened for reading, seekable.
        size: of the file, in bytes.

    Raises:
        UnsafePickle: one of the pickles asks for a call that no checkpoint needs.
        DamagedFile: the file is damaged, or another kind of pickle.
        TooCostly: reading the file would cost more than any checkpoint does.
    """
    file.seek(0)
    start = io.BytesIO(file.read(min(size, PICKLE_BYTES)))
    budget = Budget()
    storages = _Storages(size, budget)
    if read_pickle(start, {}, None, budget) != _MAGIC:
        raise DamagedFile("a pickle, but not one that torch.save wrote")
    if read_pickle(start, {}, None, budget) != _PROTOCOL:
        raise DamagedFile("written by an unknown version of torch.save")
    machine = read_pickle(start, {}, None, budget)
    if isinstance(machine, dict) and machine.get("little_endian") is False:
        raise DamagedFile("written by a machine of the other byte order")
    content = read_pickle(start, FUNCTIONS, storages.find, budget)
    keys = read_pickle(start, {}, None, budget)
    file.seek(start.tell())
    storages.fill(file, keys)
    return content


class _Storages:
    """Storages whose numbers lie behind the pickle of the tensors that look at them."""

    def __init__(self, size: int, budget: Budget) -> None:
        self._left, self._budget = size, budget
        self._found: dict[str, Storage] = {}

    def find(self, identifier: Any) -> Storage | Global:  # noqa: ANN401  whatever the pickle holds
        """Return the storage, or the class of a module, that a persistent identifier of the pickle names."""
        if isinstance(identifier, tuple) and identifier[:1] == ("module",) and len(identifier) == 4:
            if isinstance(kind := identifier[1], Global):
                return kind  # its source code, which lies beside it, is not needed
            raise DamagedFile("a module whose class is not a class")
        wanted = identified(identifier)
        self._budget.spend("stored tensors")  # a storage, or a part of one
        if wanted.key not in self._found:
            self._left -= wanted.size
            if self._left < 0:
                raise DamagedFile("storages of more bytes than the file has")
            self._found[wanted.key] = Storage(torch.empty(wanted.size, dtype=torch.uint8), wanted.dtype)
        data = self._found[wanted.key].data
        if len(data) != wanted.size:
            raise DamagedFile(f"storage {wanted.key} has two sizes")
        return Storage(data if wanted.view is None else _part(data, wanted.view, wanted.dtype), wanted.dtype)

    def fill(self, file: BinaryIO, keys: Any) -> None:  # noqa: ANN401  whatever the pickle holds
        """Read the numbers of all storages, in the order of `keys`."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise DamagedFile("its list of storages is not a list of names")
        if len(keys) != len(self._found) or set(keys) != set(self._found):
            raise DamagedFile("its storages are not those that its tensors look at")
        for key in keys:
            data, dtype = self._found[key]
            if int.from_bytes(file.read(8), "little") * dtype.itemsize != len(data):
                raise DamagedFile(f"storage {key} has two sizes, or the file ends early")
            fill(file, data.numpy().data, f"storage {key}")


def _part(data: torch.Tensor, view: Any, dtype: torch.dtype) -> torch.Tensor:  # noqa: ANN401
    """Return the part of a storage that a view (key, offset, length) covers."""
    if not isinstance(view, tuple) or len(view) != 3 or not all(type(n) is int and n >= 0 for n in view[1:]):
        raise DamagedFile("a view of a storage without offset and length")
    start, stop = (n * dtype.itemsize for n in (view[1], view[1] + view[2]))
    if stop > len(data):
        raise DamagedFile("a view beyond its storage")
    return data[start:stop]


TORCH_LEGACY = FileFormat(
    begins=lambda start: kind_of(start) is None,
    read=lambda file, size, _path: state_of(read_legacy(file, size)),
    when_damaged=WHEN_DAMAGED,
)
