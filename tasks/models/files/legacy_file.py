"""PyTorch's files before 1.6: five pickles in a row, then the storages. None of it is run."""

import io
from typing import Any, BinaryIO

import torch

from tasks.models.files.budget import PICKLE_BYTES, Budget
from tasks.models.files.damage import DamagedFile
from tasks.models.files.inert_pickle import read_pickle
from tasks.models.files.pickle_names import Global
from tasks.models.files.stored_tensors import FUNCTIONS, Storage, fill, identified

_MAGIC = 0x1950A86A20F9469CFC6C  # what the first pickle holds
_PROTOCOL = 1001  # what the second one holds


def read_legacy(file: BinaryIO, size: int) -> Any:  # noqa: ANN401  whatever it holds
    """Return what a PyTorch file before 1.6 holds: tensors as tensors, unknown objects inert.

    Args:
        file: opened for reading, seekable.
        size: its bytes.

    Raises:
        UnsafePickle: it asks for something to be called.
        DamagedFile: it is not such a file, or damaged.
        TooCostly: reading it would cost more than any checkpoint does.
    """
    file.seek(0)
    start = io.BytesIO(file.read(min(size, PICKLE_BYTES)))
    budget = Budget()
    storages = _Storages(size, budget)
    if read_pickle(start, {}, None, budget) != _MAGIC:
        raise DamagedFile("a pickle, but not one that torch.save wrote")
    if read_pickle(start, {}, None, budget) != _PROTOCOL:
        raise DamagedFile("of a version of torch.save that is not known")
    machine = read_pickle(start, {}, None, budget)
    if isinstance(machine, dict) and machine.get("little_endian") is False:
        raise DamagedFile("of a machine of the other byte order")
    content = read_pickle(start, FUNCTIONS, storages.find, budget)
    keys = read_pickle(start, {}, None, budget)
    file.seek(start.tell())
    storages.fill(file, keys)
    return content


class _Storages:
    """Storages whose numbers come later in the file than the tensors that look at them."""

    def __init__(self, size: int, budget: Budget) -> None:
        self._left, self._budget = size, budget
        self._found: dict[str, Storage] = {}

    def find(self, identifier: Any) -> Storage | Global:  # noqa: ANN401  whatever the pickle says
        """Return the storage, or the class of a module, that a pickle's persistent identifier names."""
        if isinstance(identifier, tuple) and identifier[:1] == ("module",) and len(identifier) == 4:
            if isinstance(kind := identifier[1], Global):
                return kind  # the source beside it is for comparing with one's own
            raise DamagedFile("a module of something that is no class")
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

    def fill(self, file: BinaryIO, keys: Any) -> None:  # noqa: ANN401  whatever the pickle says
        """Read the numbers of all storages, in the order of their keys."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise DamagedFile("its storages have no names")
        if len(keys) != len(self._found) or set(keys) != set(self._found):
            raise DamagedFile("its storages are not those that its tensors look at")
        for key in keys:
            data, dtype = self._found[key]
            if int.from_bytes(file.read(8), "little") * dtype.itemsize != len(data):
                raise DamagedFile(f"storage {key} has two sizes, or the file ends early")
            fill(file, data.numpy().data, f"storage {key}")


def _part(data: torch.Tensor, view: Any, dtype: torch.dtype) -> torch.Tensor:  # noqa: ANN401
    """Return the part of a storage that a view of it, (key, offset, length), means."""
    if not isinstance(view, tuple) or len(view) != 3 or not all(type(n) is int and n >= 0 for n in view[1:]):
        raise DamagedFile("a view of a storage without offset and length")
    start, stop = (n * dtype.itemsize for n in (view[1], view[1] + view[2]))
    if stop > len(data):
        raise DamagedFile("a view beyond its storage")
    return data[start:stop]
