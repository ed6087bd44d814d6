"""The files of a location as columns: millions of them take some sixty bytes each, beside the text of their paths."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.files import FileEntry

_AT_ONCE = 4096  # files that are turned into Python objects at a time
_UNKNOWN = -(2**63)  # a time that the place of the files does not show
# lone surrogates stand for the bytes of names that are not UTF-8; so encoded, paths sort by bytes as they do as text
_ENCODING = ("utf-8", "surrogatepass")
_SURROGATE = r"\xED[\xA0-\xBF]"


@dataclass(frozen=True, eq=False)
class FileTable:
    """Files, sorted by path; a sequence of `FileEntry`.

    Attributes:
        encoded: (n,) each file's path, as bytes in UTF-8.
        sizes: (n,) bytes.
        modified: (n,) time of the last modification in nanoseconds, which is part of the etag of a local file.
        changed: (n,) time of the last change of content or attributes in nanoseconds; the least
            integer for a remote file.
        etags: (n,) etags of S3 and the Hub; empty for a file whose size and time stand for one. None: no file has one.

    Example:
        >>> table = FileTable.of([FileEntry("b/2.png", 10, "x"), FileEntry("a/1.png", 20, "y")])
        >>> table[0], len(table), table.row("b/2.png")
        (FileEntry(path='a/1.png', size=20, etag='y', changed=''), 2, 1)
    """

    encoded: pa.LargeBinaryArray
    sizes: NDArray[np.int64]
    modified: NDArray[np.int64]
    changed: NDArray[np.int64]
    etags: pa.LargeBinaryArray | None

    @classmethod
    def of(cls, entries: Iterable[FileEntry]) -> "FileTable":
        """Return the table of some files."""
        columns = FileColumns()
        for entry in entries:
            changed = int(entry.changed) if entry.changed else _UNKNOWN
            columns.add(encoded_path(entry.path), entry.size, changed=changed, etag=encoded_path(entry.etag))
        return columns.table()

    @classmethod
    def from_arrow(cls, table: pa.Table) -> "FileTable":
        """Return the table that `to_arrow` gave."""
        paths, etags = (table.column(name).combine_chunks() for name in ("path", "etag"))
        sizes, modified, changed = (table.column(name).to_numpy() for name in ("size", "modified", "changed"))
        return cls(paths, sizes, modified, changed, etags if pc.max(pc.binary_length(etags)).as_py() else None)

    def to_arrow(self) -> pa.Table:
        """Return the columns, to be kept in a file; a file without an etag has an empty one."""
        etags = pa.array([b""] * len(self), pa.large_binary()) if self.etags is None else self.etags
        numbers = {"size": self.sizes, "modified": self.modified, "changed": self.changed}
        return pa.table({"path": self.encoded, "etag": etags, **numbers})

    def has_all_etags(self) -> bool:
        """Return whether every file has an etag of S3 or the Hub."""
        return self.etags is not None and bool(pc.min(pc.binary_length(self.etags)).as_py())

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, row: int) -> FileEntry:
        return next(self._entries(range(len(self))[row], 1))

    def __iter__(self) -> Iterator[FileEntry]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._entries(start, _AT_ONCE)

    @property
    def paths(self) -> "Paths":
        """The paths, as text."""
        return Paths(self)

    def row(self, path: str) -> int | None:
        """Return the row of a path; None if no file has it."""
        wanted = encoded_path(path)
        row = bisect_left(range(len(self)), wanted, key=lambda i: self.encoded[i].as_py())
        return row if row < len(self) and self.encoded[row].as_py() == wanted else None

    def at(self, path: str) -> FileEntry:
        """Return the file of a path.

        Raises:
            KeyError: no file has this path.
        """
        row = self.row(path)
        if row is None:
            raise KeyError(path)
        return self[row]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.row(path) is not None

    def first_not_utf8(self) -> str | None:
        """Return the first path that is not UTF-8; None if every path is."""
        found = np.flatnonzero(self.matching(_SURROGATE))
        return self[int(found[0])].path if len(found) else None

    def ending(self, text: str) -> list[str]:
        """Return the paths that end in a text, sorted."""
        found = pc.filter(self.encoded, pc.ends_with(self.encoded, pattern=encoded_path(text)))
        return [_decoded(path) for path in found.to_pylist()]

    def matching(self, expression: str) -> NDArray[np.bool_]:
        """Return, for each file, whether an RE2 expression matches some bytes of its path: (n,)."""
        found: NDArray[np.bool_] = pc.match_substring_regex(self.encoded, expression).to_numpy(zero_copy_only=False)
        return found

    def rows(self, wanted: NDArray[np.integer]) -> "FileTable":
        """Return the files of some rows, in their order; a table that is not sorted finds no paths.

        Args:
            wanted: (k,) rows; all of them in order give this table, without a copy.
        """
        if len(wanted) == len(self) and np.array_equal(wanted, np.arange(len(self))):
            return self
        return FileTable(
            self.encoded.take(pa.array(wanted)),
            self.sizes[wanted],
            self.modified[wanted],
            self.changed[wanted],
            None if self.etags is None else self.etags.take(pa.array(wanted)),
        )

    def first_folders(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return the first folder of every path in a sorted table of files that all lie in folders.

        Returns:
            The names of the folders in the order in which they follow each other, and the number of files in each.
        """
        names, starts, start = list[str](), list[int](), 0
        while start < len(self):
            name = self.encoded[start].as_py().partition(b"/")[0]
            names.append(_decoded(name))
            starts.append(start)
            after = name + b"0"  # the character behind the slash
            start = bisect_left(range(len(self)), after, lo=start, key=lambda i: self.encoded[i].as_py())
        return names, np.diff([*starts, len(self)])

    def _entries(self, start: int, count: int) -> Iterator[FileEntry]:
        part = slice(start, start + count)
        paths = self.encoded[part].to_pylist()
        sizes, modified, changed = (column[part].tolist() for column in (self.sizes, self.modified, self.changed))
        etags = [b""] * len(paths) if self.etags is None else self.etags[part].to_pylist()
        for path, size, time, change, etag in zip(paths, sizes, modified, changed, etags, strict=True):
            mark = _decoded(etag) if etag else f"{size}-{time}" if time != _UNKNOWN else ""
            yield FileEntry(_decoded(path), size, mark, "" if change == _UNKNOWN else str(change))


class Paths(Sequence[str]):
    """The paths of a table of files, as text.

    Args:
        files: the table.
    """

    def __init__(self, files: FileTable) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        found = self.files.encoded[row]
        return [_decoded(path) for path in found.to_pylist()] if isinstance(row, slice) else _decoded(found.as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    def take(self, rows: NDArray[np.integer]) -> list[str]:
        """Return the paths of some rows, in their order."""
        return [_decoded(path) for path in self.files.encoded.take(pa.array(rows)).to_pylist()]


class FileColumns:
    """The columns of a table of files while it grows, in any order of paths."""

    def __init__(self) -> None:
        self._paths, self._ends = bytearray(), array("q", [0])
        self._etags, self._etag_ends = bytearray(), array("q", [0])
        self._sizes, self._modified, self._changed = array("q"), array("q"), array("q")

    def add(
        self, path: bytes, size: int, *, modified: int = _UNKNOWN, changed: int = _UNKNOWN, etag: bytes = b""
    ) -> None:
        """Add a file.

        Args:
            path: from `encoded_path`.
            size: bytes.
            modified: time of the last modification in nanoseconds; it stands for a missing etag, with the size.
            changed: time of the last change in nanoseconds; left out for a remote file.
            etag: of S3 or the Hub; empty for other files.
        """
        self._paths += path
        self._ends.append(len(self._paths))
        self._sizes.append(size)
        self._modified.append(modified)
        self._changed.append(changed)
        if etag:
            missing = len(self._sizes) - len(self._etag_ends)
            self._etag_ends.extend([len(self._etags)] * missing)
            self._etags += etag
            self._etag_ends.append(len(self._etags))

    def table(self) -> FileTable:
        """Return the files, sorted by path; the columns are used up."""
        count, etags = len(self._sizes), None
        if self._etags:
            self._etag_ends.extend([len(self._etags)] * (count + 1 - len(self._etag_ends)))
            etags = _texts(self._etag_ends, self._etags)
        sizes, modified, changed = map(_numbers, (self._sizes, self._modified, self._changed))
        table = FileTable(_texts(self._ends, self._paths), sizes, modified, changed, etags)
        del self._paths, self._ends, self._etags, self._etag_ends, self._sizes, self._modified, self._changed
        return table.rows(pc.array_sort_indices(table.encoded).to_numpy())


def encoded_path(path: str) -> bytes:
    """Return a path as a table holds it; a name that is not UTF-8 is encoded too.

    Args:
        path: with `/` between its parts.
    """
    return path.encode(*_ENCODING)


def _decoded(path: bytes) -> str:
    return path.decode(*_ENCODING)


def _texts(ends: "array[int]", content: bytearray) -> pa.LargeBinaryArray:
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(content)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ends) - 1, buffers)


def _numbers(column: "array[int]") -> NDArray[np.int64]:
    return np.frombuffer(column, np.int64) if len(column) else np.empty(0, np.int64)
