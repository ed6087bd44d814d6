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


_REPEATED = 50_000  # entries of folders listed a second time or more: some seconds of looking


def local_files(root: str) -> Iterator[LocalFile]:
    """Yield the files below a folder, whatever their order; a link that leads back above itself is not gone into.

    Raises:
        OSError: links lead to the same folders again and again; their number may grow without end.
    """
    waiting = [(root, frozenset({os.path.realpath(root)}))]
    seen: set[str] = set()
    repeated = 0
    while waiting:
        folder, above = waiting.pop()
        place = os.path.realpath(folder)
        is_repeated, inside = place in seen, 0
        seen.add(place)
        with os.scandir(folder) as entries:
            for inside, entry in enumerate(entries, 1):
                if repeated + inside * is_repeated > _REPEATED:
                    raise OSError(f"links lead to the same folders over and over, {shown(folder)} among them")
                if entry.is_dir():
                    below = os.path.realpath(entry.path)
                    if below not in above:
                        waiting.append((entry.path, above | {below}))
                elif entry.is_file():
                    yield local_file(entry.path)
        repeated += inside * is_repeated


def local_file(path: str) -> LocalFile:
    """Return a file; `FileNotFoundError` when there is none."""
    found = os.stat(path)
    target = os.path.realpath(path)
    # a file of the Hub's cache is a link to a blob named by its hash; when it was fetched says nothing
    is_blob = os.path.basename(os.path.dirname(target)) == "blobs" and target != os.path.abspath(path)
    etag = os.path.basename(target) if is_blob else f"{found.st_size}-{found.st_mtime_ns}"
    return LocalFile(path, found.st_size, etag, str(found.st_ctime_ns))
