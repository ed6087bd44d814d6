"""A folder somebody has opened for the readers: its files by name, read whole or in pieces, some at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from storage.files import FileEntry
from storage.text import shown
from tasks.errors import DatasetError

MOST_LISTED = 4 * 1024**2  # bytes of a list or a table beside the pictures; the longest of public data sets has 1 MB
_LEAST_UNPACKED = 64 * 1024**2  # bytes that are always accepted
_MOST_RATIO = 16  # of bytes unpacked to packed ones, beyond that; numbers and text come to three or four
_GAP = 64 * 1024  # bytes read in vain, at most, to get two pieces with one request
_REQUEST = 8 * 1024**2  # bytes a joined request asks for, at most, unless one piece is longer


def most_unpacked(packed: int) -> int:
    """Return how many bytes so many packed ones may come to; a small file is never a large one."""
    return _LEAST_UNPACKED + _MOST_RATIO * packed


class Piece(NamedTuple):
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
        root: the folder inside of it.
        entries: by path relative to the folder, sorted.
        is_chosen: whether somebody named these files, and not the folder.
    """

    url: str
    filesystem: Any
    root: str
    entries: Mapping[str, FileEntry] = field(repr=False)
    is_chosen: bool = False

    def __post_init__(self) -> None:
        for path in self.entries:
            if any("\ud800" <= character <= "\udfff" for character in path):
                raise DatasetError(f"{self.url}/{shown(path)}: the file's name is not UTF-8; rename it")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the listing behind: whoever reads knows what to read."""
        return {**vars(self), "entries": {}}

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        file: BinaryIO = self.filesystem.open(self._full(path), "rb")
        return file

    def read(self, path: str, most: int = MOST_LISTED) -> bytes:
        """Return a file's content.

        Args:
            path: of the file.
            most: bytes that it may have.

        Raises:
            DatasetError: it cannot be read, or is longer.
        """
        try:
            entry = self.entries.get(path)  # another process has none
            size = entry.size if entry else int(self.filesystem.info(self._full(path))["size"])
            if size > most:
                raise DatasetError(f"{self.url}/{shown(path)}: {size:,} bytes, wanted at most {most:,}")
            content: bytes = self.filesystem.cat_file(self._full(path))
        except OSError as error:
            raise DatasetError(f"{self.url}/{shown(path)}: cannot be read ({error})") from error
        return content

    def read_each(self, paths: Sequence[str]) -> list[bytes | Exception]:
        """Return the content of files, remote ones at the same time; an error in the place of what cannot be read."""
        full = [self._full(path) for path in paths]
        # not `cat`, which takes a name with brackets or stars for a pattern
        nothing = [None] * len(full)
        return list(self.filesystem.cat_ranges(full, nothing, nothing, on_error="return"))

    def beside(self, name: str) -> bytes | None:
        """Return the content of a file in the folder, or in the one above; None when neither has it.

        Raises:
            DatasetError: it is longer than a list of names is.
        """
        for place in (self.root, self.root.rpartition("/")[0]):
            try:
                size = int(self.filesystem.info(f"{place}/{name}")["size"])
                if size > MOST_LISTED:
                    raise DatasetError(f"{place}/{name}: {size:,} bytes, wanted at most {MOST_LISTED:,}")
                content: bytes = self.filesystem.cat_file(f"{place}/{name}")
            except (OSError, ValueError) as error:
                if isinstance(error, DatasetError):
                    raise
                continue
            return content
        return None

    def read_pieces(self, pieces: Sequence[Piece]) -> list[bytes | Exception]:
        """Return ranges of bytes; neighbours are fetched together, remote ones at the same time."""
        requests = _joined(pieces)
        found = self.filesystem.cat_ranges(
            [self._full(r.path) for r in requests],
            [r.start for r in requests],
            [r.stop for r in requests],
            on_error="return",
        )
        held = dict(zip(requests, found, strict=True))
        parts: list[bytes | Exception] = []
        for piece in pieces:
            request = next(
                r for r in requests if r.path == piece.path and r.start <= piece.start and piece.stop <= r.stop
            )
            content = held[request]
            if not isinstance(content, Exception):
                content = content[piece.start - request.start : piece.stop - request.start]
            parts.append(content)
        return parts

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Return fewer, longer pieces that hold all of these, sorted."""
    joined: list[Piece] = []
    for piece in sorted(set(pieces)):
        last = joined[-1] if joined else None
        if (
            last
            and last.path == piece.path
            and piece.start - last.stop <= _GAP
            and max(last.stop, piece.stop) - last.start <= _REQUEST
        ):
            joined[-1] = last._replace(stop=max(last.stop, piece.stop))
        else:
            joined.append(piece)
    return joined
