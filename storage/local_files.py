"""The files below a folder of this machine; links are followed, and the file at the end of a link is the one read."""

import os
from typing import NamedTuple

from storage.file_table import FileColumns, FileTable, encoded_path
from storage.text import shown

_REPEATED = 30_000  # entries of folders that are listed a second time or more: two seconds of listing
_RESOLVED = 10_000  # folders that are remembered


class Walked(NamedTuple):
    """The files below a folder, and the folders that hold them."""

    files: FileTable
    folders: list[str]
    """The real paths of all folders that were looked into, the first among them."""


def local_files(root: str) -> FileTable:
    """Return the files below a folder.

    The folder is walked, and each file looked at, on every call: a folder's own time does not show that the content of
    a file in it has changed, so a listing of a local folder cannot be kept.

    A link that leads to a folder above itself is skipped.

    Args:
        root: the folder's path.

    Raises:
        OSError: the folder cannot be listed, or links lead to the same folders over and over: the number of paths
            may be infinite.
    """
    return walked(root).files


def walked(root: str) -> Walked:
    """Return the files below a folder, as `local_files` does, and its folders.

    Args:
        root: the folder's path.

    Raises:
        OSError: as for `local_files`.
    """
    start = os.path.realpath(root)
    waiting = [("", start, frozenset({start}))]
    seen: set[str] = set()
    repeated, found, links = 0, FileColumns(), _Links()
    while waiting:
        folder, place, above = waiting.pop()
        is_repeated = place in seen
        seen.add(place)
        below = encoded_path(folder)
        with os.scandir(place) as entries:
            for entry in entries:
                repeated += is_repeated
                if repeated > _REPEATED:
                    raise OSError(
                        f"links lead to the same folders over and over, {shown(f'{root}/{folder}')} among them"
                    )
                if entry.is_dir():
                    inner = f"{place}/{entry.name}"
                    inner = os.path.realpath(inner) if entry.is_symlink() else inner
                    if inner not in above:
                        waiting.append((f"{folder}{entry.name}/", inner, above | {inner}))
                elif entry.is_file():
                    blob = links.blob(entry.path) if entry.is_symlink() else b""
                    _add(found, below + encoded_path(entry.name), entry.stat(), blob)
    return Walked(found.table(), list(seen))


def local_file(root: str, name: str) -> FileTable:
    """Return the table of one file.

    Args:
        root: the file's folder.
        name: the file's name.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    path, found = f"{root}/{name}", FileColumns()
    blob = _Links().blob(path) if os.path.islink(path) else b""
    _add(found, encoded_path(name), os.stat(path), blob)
    return found.table()


class _Links:
    """The ends of links; the folders that they lead to are resolved once each."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def blob(self, path: str) -> bytes:
        """Return the name of a blob in the Hub's cache that a link leads to; empty if it leads elsewhere.

        The name of a blob is the hash of its content; the time of its download is of no use.
        """
        place, name = os.path.split(os.path.join(os.path.dirname(path), os.readlink(path)))
        if place not in self._folders:
            if len(self._folders) >= _RESOLVED:
                self._folders.clear()
            self._folders[place] = os.path.realpath(place)
        target = f"{self._folders[place]}/{name}"
        if name in ("", ".", "..") or os.path.islink(target):
            target = os.path.realpath(path)
        folder, name = os.path.split(target)
        return os.fsencode(name) if os.path.basename(folder) == "blobs" else b""


def _add(found: FileColumns, path: bytes, stat: os.stat_result, blob: bytes) -> None:
    found.add(path, stat.st_size, modified=stat.st_mtime_ns, changed=stat.st_ctime_ns, etag=blob)
