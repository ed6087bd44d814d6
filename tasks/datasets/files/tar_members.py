"""The members of a tar file, one at a time: headers are read within a budget, and members are not kept."""

import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

_MOST_HEADERS = 256 * 1024  # bytes of headers before a member; long names and attributes take a few thousand
_BLOCK = 512  # bytes; a block of zeros ends a tar file


def members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an uncompressed tar file; the caller may seek and read in the file between two of them.

    Args:
        file: the tar file.

    Raises:
        OSError: a header is damaged, or longer than the budget.
        EOFError: the file is cut short.
        tarfile.TarError: it is not a tar file.
    """
    headers: Any = _Headers(file)
    tar: Any
    try:
        with tarfile.open(fileobj=headers, mode="r:") as tar:
            while (member := tar.next()) is not None:
                if member.size < 0:
                    raise OSError("a member of negative size")
                tar.members.clear()  # tarfile keeps all of them, each with its own copy of the global attributes
                yield member
                headers.left = _MOST_HEADERS
            file.seek(tar.offset)
    except (RecursionError, ValueError, OverflowError, IndexError) as error:  # nested headers, malformed numbers
        raise OSError(f"a damaged header ({type(error).__name__})") from error
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise EOFError


class _Headers:
    """A file with a budget of bytes: bytes asked for count, even beyond the file's end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.left = file, _MOST_HEADERS

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the file's end."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise OSError(f"more than {_MOST_HEADERS:,} bytes of headers before a file")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        """Move to a place in the file, in bytes."""
        return self._file.seek(place)

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._file.tell()
