"""Files below a folder of this machine, links followed: what a link points to is what is read."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from storage.text import shown


class LocalFile(NamedTuple):
    """A file: its path, and what tells whether its content changed."""

    path: str
    size: int
    etag: str
    changed: str
    """The time of the last change of anything about it, which nobody can set back."""


_REPEATED = 30_000  # entries of folders listed a second time or more: two seconds of looking


def local_files(root: str) -> Iterator[LocalFile]:
    """Yield the files below a folder, whatever their order; a link that leads back above itself is not gone into.

    Raises:
        OSError: links lead to the same folders again and again; their number may grow without end.
    """
    start = os.path.realpath(root)
    waiting = [(root, start, frozenset({start}))]
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
                    raise OSError(f"links lead to the same folders over and over, {shown(folder)} among them")
                if entry.is_dir():
                    below = f"{place}/{entry.name}"
                    below = os.path.realpath(below) if entry.is_symlink() else below
                    if below not in above:
                        waiting.append((f"{folder}/{entry.name}", below, above | {below}))
                elif entry.is_file():
                    yield local_file(f"{folder}/{entry.name}")


def local_file(path: str) -> LocalFile:
    """Return a file; `FileNotFoundError` when there is none."""
    found = os.stat(path)
    target = os.path.realpath(path)
    # a file of the Hub's cache is a link to a blob named by its hash; when it was fetched says nothing
    is_blob = os.path.basename(os.path.dirname(target)) == "blobs" and target != os.path.abspath(path)
    etag = os.path.basename(target) if is_blob else f"{found.st_size}-{found.st_mtime_ns}"
    return LocalFile(path, found.st_size, etag, str(found.st_ctime_ns))
