"""The files below a folder of this machine; links are followed, and the file at the end of a link is the one read."""

import os
from collections.abc import Iterator

from storage.files import FileEntry
from storage.text import shown

_REPEATED = 30_000  # entries of folders that are listed a second time or more: two seconds of listing


def local_files(root: str) -> Iterator[FileEntry]:
    """Yield the files below a folder, in no particular order.

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
    repeated = 0
    while waiting:
        folder, place, above = waiting.pop()
        is_repeated = place in seen
        seen.add(place)
        with os.scandir(place) as entries:
            for entry in entries:
                repeated += is_repeated
                if repeated > _REPEATED:
                    raise OSError(
                        f"links lead to the same folders over and over, {shown(f'{root}/{folder}')} among them"
                    )
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir():
                    below = f"{place}/{entry.name}"
                    below = os.path.realpath(below) if entry.is_symlink() else below
                    if below not in above:
                        waiting.append((path, below, above | {below}))
                elif entry.is_file():
                    yield local_file(root, path)


def local_file(root: str, path: str) -> FileEntry:
    """Return the entry of a file.

    Args:
        root: a folder.
        path: the file's path, relative to the folder.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    full = f"{root}/{path}"
    found = os.stat(full)
    target = os.path.realpath(full)
    # a file in the Hub's cache is a link to a blob whose name is its hash; the time of its download is of no use
    is_blob = os.path.basename(os.path.dirname(target)) == "blobs" and target != os.path.abspath(full)
    etag = os.path.basename(target) if is_blob else f"{found.st_size}-{found.st_mtime_ns}"
    return FileEntry(path, found.st_size, etag, str(found.st_ctime_ns))
