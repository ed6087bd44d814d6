"""The files below a folder of this machine; links are followed, and the file at the end of a link is the one read."""

import os

from storage.file_table import FileColumns, FileTable, encoded_path
from storage.text import shown

_REPEATED = 30_000  # entries of folders that are listed a second time or more: two seconds of listing


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
    start = os.path.realpath(root)
    waiting = [("", start, frozenset({start}))]
    seen: set[str] = set()
    repeated, found = 0, FileColumns()
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
                    _add(found, below + encoded_path(entry.name), entry)
    return found.table()


def local_file(root: str, name: str) -> FileTable:
    """Return the table of one file.

    Args:
        root: the file's folder.
        name: the file's name.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    found = FileColumns()
    _add(found, encoded_path(name), _NamedFile(f"{root}/{name}"))
    return found.table()


class _NamedFile:
    """A file whose path is known, as `os.scandir` describes the files of a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def stat(self) -> os.stat_result:
        return os.stat(self.path)

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)


def _add(found: FileColumns, path: bytes, entry: "os.DirEntry[str] | _NamedFile") -> None:
    stat, etag = entry.stat(), b""
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        # a file in the Hub's cache is a link to a blob whose name is its hash; the time of its download is of no use
        if os.path.basename(os.path.dirname(target)) == "blobs":
            etag = os.fsencode(os.path.basename(target))
    found.add(path, stat.st_size, modified=stat.st_mtime_ns, changed=stat.st_ctime_ns, etag=etag)
