"""Bytes of files as memory that tensors can look at: mapped from a local path, or read in pieces."""

import mmap
from typing import BinaryIO

import torch

from tasks.models.files.damage import DamagedFile

_CHUNK = 16 << 20  # bytes of one call of `read`


def map_file(path: str) -> mmap.mmap:
    """Return a file's bytes as memory whose pages are read when they are first accessed."""
    with open(path, "rb") as file:
        # a private copy on write, since torch wants memory that is writable
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def bytes_of(file: BinaryIO, size: int, name: str) -> torch.Tensor:
    """Return the next bytes of a file, (size,) uint8.

    Args:
        file: opened for reading, at the first of these bytes.
        size: the number of bytes. The caller checks first that the file has so many, since memory is allocated for all.
        name: of the tensor or storage, for the message.

    Raises:
        DamagedFile: the file ends early.
    """
    content = torch.empty(size, dtype=torch.uint8)
    fill(file, content.numpy().data, name)
    return content


def fill(file: BinaryIO, view: memoryview, name: str) -> None:
    """Read the next bytes of a file into memory, until the memory is full.

    Raises:
        DamagedFile: the file ends early.
    """
    place = 0
    while place < len(view):
        piece = file.read(min(_CHUNK, len(view) - place))
        if not piece:
            raise DamagedFile(f"{name} ends early")
        view[place : place + len(piece)] = piece
        place += len(piece)
