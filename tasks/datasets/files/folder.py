"""The files of a data set, local or remote: found by name, read whole or as ranges of bytes, several at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from storage.file_table import FileTable
from storage.text import shown
from tasks.errors import DatasetError

MOST_LIST_BYTES = 4 * 1024**2  # of a list or table beside the images; the longest of a public data set has 1 MB
_LEAST_UNPACKED = 64 * 1024**2  # bytes that are always accepted
_MOST_RATIO = 16  # of unpacked to packed bytes, beyond that; numbers and text reach three or four
_GAP = 64 * 1024  # unwanted bytes, at most, that are read to fetch two ranges with one request
_REQUEST = 8 * 1024**2  # bytes of a joined request, at most, unless a single range is longer


def most_unpacked(packed: int) -> int:
    """Return the number of bytes that `packed` compressed bytes may unpack to; guards against archive bombs."""
    return _LEAST_UNPACKED + _MOST_RATIO * packed


class ByteRange(NamedTuple):
    """A range of bytes of a file, `stop` excluded."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class Folder:
    """The files below a folder; can be sent to another process.

    Attributes:
        url: the folder's address, for messages.
        filesystem: an fsspec file system.
        root: the folder's path in the file system.
        entries: the files, sorted by path relative to the folder.
        is_chosen: whether the user named these files, or a pattern, rather than the folder.
    """

    url: str
    filesystem: Any
    root: str
    entries: FileTable = field(repr=False)
    is_chosen: bool = False

    def __post_init__(self) -> None:
        if (path := self.entries.first_not_utf8()) is not None:
            raise DatasetError(f"{self.url}/{shown(path)}: the file's name is not UTF-8; rename it")

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the entries, which another process does not use and which may be millions."""
        return {**vars(self), "entries": FileTable.of(())}

    def named(self, name: str) -> list[str]:
        """Return the paths that end in a name such as `labels/test1.txt`; those nearest to the folder first."""
        found = [path for path in self.entries.ending(name) if f"/{path}".endswith(f"/{name}")]
        return sorted(found, key=lambda path: (len(PurePosixPath(path).parts), path))

    def with_suffix(self, suffix: str) -> list[str]:
        """Return the paths that end in a suffix such as `.tar`, numbers in numerical order: 2 before 10."""
        return sorted(self.entries.ending(suffix), key=_by_numbers)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        file: BinaryIO = self.filesystem.open(self._full(path), "rb")
        return file

    def read(self, path: str, most: int = MOST_LIST_BYTES) -> bytes:
        """Return a file's content.

        Args:
            path: the file's path relative to the folder.
            most: bytes that the file may have.

        Raises:
            DatasetError: the file cannot be read, or is longer.
        """
        try:
            row = self.entries.row(path)  # None in another process
            size = int(self.filesystem.info(self._full(path))["size"]) if row is None else self.entries[row].size
            if size > most:
                raise DatasetError(f"{self.url}/{shown(path)}: {size:,} bytes, wanted at most {most:,}")
            content: bytes = self.filesystem.cat_file(self._full(path))
        except OSError as error:
            raise DatasetError(f"{self.url}/{shown(path)}: cannot be read ({error})") from error
        return content

    def read_each(self, paths: Sequence[str]) -> list[bytes | Exception]:
        """Return the content of each file, or the error that reading it gave; remote files are read concurrently."""
        full = [self._full(path) for path in paths]
        # not `cat`, which interprets a name with brackets or stars as a pattern
        nothing = [None] * len(full)
        return list(self.filesystem.cat_ranges(full, nothing, nothing, on_error="return"))

    def beside(self, name: str) -> bytes | None:
        """Return the content of a file in the folder or its parent; None if neither has it.

        Args:
            name: the file's name.

        Raises:
            DatasetError: the file is longer than a list of names can be.
        """
        for place in (self.root, self.root.rpartition("/")[0]):
            try:
                size = int(self.filesystem.info(f"{place}/{name}")["size"])
                if size > MOST_LIST_BYTES:
                    raise DatasetError(f"{place}/{name}: {size:,} bytes, wanted at most {MOST_LIST_BYTES:,}")
                content: bytes = self.filesystem.cat_file(f"{place}/{name}")
            except (OSError, ValueError) as error:
                if isinstance(error, DatasetError | ConnectionError):  # a place that does not answer is not one without
                    raise
                continue
            return content
        return None

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | Exception]:
        """Return the bytes of each range, or the error that reading it gave.

        Neighbouring ranges are fetched with one request, and remote requests run concurrently.
        """
        requests = _joined(ranges)
        found = self.filesystem.cat_ranges(
            [self._full(r.path) for r in requests],
            [r.start for r in requests],
            [r.stop for r in requests],
            on_error="return",
        )
        held = dict(zip(requests, found, strict=True))
        parts: list[bytes | Exception] = []
        for part in ranges:
            request = next(r for r in requests if r.path == part.path and r.start <= part.start and part.stop <= r.stop)
            content = held[request]
            if not isinstance(content, Exception):
                content = content[part.start - request.start : part.stop - request.start]
            parts.append(content)
        return parts

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"


def _joined(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """Return fewer, longer ranges that cover all of these, sorted."""
    joined: list[ByteRange] = []
    for part in sorted(set(ranges)):
        last = joined[-1] if joined else None
        if (
            last
            and last.path == part.path
            and part.start - last.stop <= _GAP
            and max(last.stop, part.stop) - last.start <= _REQUEST
        ):
            joined[-1] = last._replace(stop=max(last.stop, part.stop))
        else:
            joined.append(part)
    return joined


def _by_numbers(path: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d{1,18})", path)]
