"""Bytes of files as memory that tensors can look at: mapped from a local path, or read in pieces."""

import mmap
import os
from typing import BinaryIO

import torch

from tasks.models.files.damage import DamagedFile

_CHUNK = 16 << 20  # bytes of one call of `read`


def map_file(file: BinaryIO) -> mmap.mmap:
    """Return the bytes of an open file of this machine as memory whose pages are read when they are first accessed.

    Its path is not opened again: another file may have its name by now.
    """
    # a private copy on write, since torch wants memory that is writable
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


class FilePages:
    """A file of this machine as memory that keeps few of its pages: those of the bytes that were asked for last.

    Args:
        file: the open file; it must stay open as long as numbers are asked for.
        mapped: its bytes.
    """

    def __init__(self, file: BinaryIO, mapped: mmap.mmap) -> None:
        self._file, self._mapped, self._start, self._stop = file, mapped, 0, 0

    @classmethod
    def of(cls, file: BinaryIO) -> "FilePages | None":
        """Return the pages of an open file; None if the file is not one of this machine, or is empty."""
        try:
            return cls(file, map_file(file))
        except (OSError, ValueError, AttributeError):
            return None

    def numbers(self, dtype: torch.dtype, count: int, start: int) -> torch.Tensor:
        """Return numbers as a tensor (count,) that looks at the file, which is never to be written.

        Memory gives up the pages of the call before. They are read from the file again if they are looked at again.

        Args:
            dtype: type of the numbers.
            count: how many.
            start: the place of the first one's first byte.

        Raises:
            DamagedFile: the file ends early.
        """
        if self._stop > self._start:
            self._mapped.madvise(mmap.MADV_DONTNEED, self._start, self._stop - self._start)
        stop = start + count * dtype.itemsize
        # a look at pages beyond the end of a file that was cut off meanwhile would kill the process
        if stop > (size := min(len(self._mapped), os.fstat(self._file.fileno()).st_size)):
            raise DamagedFile(f"a tensor's bytes end at {stop:,}, the file at {size:,}")
        self._start, self._stop = start - start % mmap.PAGESIZE, stop
        return torch.frombuffer(self._mapped, dtype=dtype, count=count, offset=start)


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
    into, place = getattr(file, "readinto", None), 0
    while place < len(view):
        room = view[place : place + _CHUNK]
        if into:
            read = int(into(room) or 0)
        else:
            piece = file.read(len(room))
            read = len(piece)
            room[:read] = piece
        if not read:
            raise DamagedFile(f"{name} ends early")
        place += read
