"""The members of a tar file, one by one: headers are read under a budget, and nothing is kept of a member passed."""

import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

_HEADERS = 256 * 1024  # bytes read to get from one member to the next: long names and attributes take a few thousand
_BLOCK = 512  # bytes, of zeros, that end a tar file


def members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a plain tar file; between two of them the caller may read anywhere in it.

    Raises:
        OSError: a header is damaged, or longer than any is.
        EOFError: the file does not end as a tar file does.
        tarfile.TarError: it is none.
    """
    headers: Any = _Headers(file)
    tar: Any
    try:
        with tarfile.open(fileobj=headers, mode="r:") as tar:
            while (member := tar.next()) is not None:
                if member.size < 0:
                    raise OSError("a member of negative size")
                tar.members.clear()  # else all are kept, each with a copy of the attributes of all before it
                yield member
                headers.left = _HEADERS
            file.seek(tar.offset)
    except (
        RecursionError,
        ValueError,
        OverflowError,
        IndexError,
    ) as error:  # headers inside of headers, numbers that are none
        raise OSError(f"a damaged header ({type(error).__name__})") from error
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise EOFError


class _Headers:
    """A file of which only so much is read at a time; asking counts, so that nobody waits for more at its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.left = file, _HEADERS

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise OSError(f"more than {_HEADERS:,} bytes of headers before a file")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        """Move to a byte."""
        return self._file.seek(place)

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._file.tell()
