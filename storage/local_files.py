"""Files below a folder of this machine, links followed: what a link points to is what is read."""

import os
from collections.abc import Iterator
from typing import NamedTuple


class LocalFile(NamedTuple):
    """A file: its path, and what tells whether its content changed."""

    path: str
    size: int
    etag: str
    changed: str
    """The time of the last change of anything about it, which nobody can set back."""


def local_files(root: str) -> Iterator[LocalFile]:
    """Yield the files below a folder, whatever their order; a link that leads back above itself is not gone into."""
    yield from _below(root, frozenset({os.path.realpath(root)}))


def local_file(path: str) -> LocalFile:
    """Return a file; `FileNotFoundError` when there is none."""
    found = os.stat(path)
    target = os.path.realpath(path)
    # a file of the Hub's cache is a link to a blob named by its hash; when it was fetched says nothing
    is_blob = os.path.basename(os.path.dirname(target)) == "blobs" and target != os.path.abspath(path)
    etag = os.path.basename(target) if is_blob else f"{found.st_size}-{found.st_mtime_ns}"
    return LocalFile(path, found.st_size, etag, str(found.st_ctime_ns))


def _below(folder: str, above: frozenset[str]) -> Iterator[LocalFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                place = os.path.realpath(entry.path)
                if place not in above:
                    yield from _below(entry.path, above | {place})
            elif entry.is_file():
                yield local_file(entry.path)
