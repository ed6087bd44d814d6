"""Checkpoints and images, which lie outside the store: on this machine, in memory, on S3 or on the Hub."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from storage.errors import ObjectMissing
from storage.file_table import FileTable
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_files import local_file, local_files
from storage.remote_files import etag_of, remote_file, remote_files
from storage.snapshots import snapshot_files
from storage.text import shown


class FoundFiles(NamedTuple):
    """The files of a location."""

    filesystem: Any
    """The fsspec file system that holds them."""
    root: str
    """Their folder's path in the file system."""
    entries: FileTable
    """Sorted by path."""
    is_chosen: bool
    """Whether the location is a file or a pattern, and not a folder."""


@dataclass(frozen=True)
class Location:
    """A file or folder that the pipeline only reads.

    Args:
        url: a path or an address; a relative path starts from the working directory.

    Raises:
        StoreDenied: the address contains credentials.
        StoreUnreachable: it is not an address, or its scheme is unknown.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", absolute(self.url))

    @property
    def is_local(self) -> bool:
        """Whether a program on this machine can open the file by its path."""
        return scheme_of(self.url) in ("file", "hf")  # the Hub's files are read from its cache on this machine

    @property
    def path(self) -> str:
        """The path inside the file system."""
        return str(open_filesystem(self.url)[1])

    def file_among(self, names: Sequence[str]) -> "Location":
        """Return this location if it is a file, else the first of some names that its folder holds.

        Args:
            names: of files, in order of preference.

        Raises:
            ObjectMissing: the location does not exist, or its folder holds none of the names.
        """
        filesystem, path = open_filesystem(self.url)
        with readable_errors(self.url):
            if not filesystem.isdir(path):
                return self
            held = sorted(entry.rstrip("/").rpartition("/")[2] for entry in filesystem.ls(path, detail=False))
        for name in names:
            if name in held:
                return Location(f"{self.url}/{name}" if not self.is_local else f"file://{path}/{name}")
        raise ObjectMissing(
            f"{self.url}: a folder without {' or '.join(names)}; it holds {', '.join(map(shown, held[:5]))}"
        )

    def file_names(self) -> list[str]:
        """Return the names of the files directly in this folder, sorted; folders inside it are not looked into.

        Raises:
            ObjectMissing: no such folder.
        """
        filesystem, path = open_filesystem(self.url)
        with readable_errors(self.url):
            if not filesystem.isdir(path):
                raise ObjectMissing(f"{self.url}: no such folder")
            return sorted(_file_name(entry) for entry in filesystem.ls(path, detail=True) if entry["type"] == "file")

    def is_file(self) -> bool:
        """Return whether this location is a file. On S3 this costs one request; opening a missing file costs two."""
        filesystem, path = open_filesystem(self.url)
        with readable_errors(self.url):
            return self._file(filesystem, path) is not None

    def fingerprint(self) -> str:
        """Return a text that changes when the file's content does, without reading the file.

        Raises:
            ObjectMissing: no such file exists, or the location is a folder.
        """
        filesystem, path = open_filesystem(self.url)
        with readable_errors(self.url):
            info = filesystem.info(path)
        if info["type"] != "file":
            raise ObjectMissing(f"{self.url}: wanted a file, got a folder")
        return f"{etag_of(info)}-{info.get('created', '')}"

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for reading.

        Raises:
            ObjectMissing: no such file exists.
        """
        filesystem, path = open_filesystem(self.url)
        with readable_errors(self.url):
            file = filesystem.open(path, "rb")
        with file:
            yield file

    def find(self) -> FoundFiles:
        """Return the files below this folder, the file itself, or the files that match a pattern (`test-*.parquet`).

        The listing of a snapshot on the Hub is kept between runs. Others are not: a local folder does not show without
        a look at every file that none has changed, and S3 does not show it without a listing, which is one request for
        each thousand files.

        Raises:
            ObjectMissing: the location does not exist, or no file matches the pattern.
        """
        filesystem, path = open_filesystem(self.url)
        path = path.rstrip("/")
        root, _, last = path.rpartition("/")
        with readable_errors(self.url):
            if (file := self._file(filesystem, path)) is not None:
                return FoundFiles(filesystem, root, file, is_chosen=True)
            below = self._below(filesystem, path)
            if len(below) or filesystem.isdir(path):
                return FoundFiles(filesystem, path, below, is_chosen=False)
            if not any(sign in last for sign in "*?["):
                raise ObjectMissing(f"{self.url}: no such folder")
            beside = self._below(filesystem, root)
        rows = [i for i, name in enumerate(beside.paths) if "/" not in name and fnmatchcase(name, last)]
        if not rows:
            raise ObjectMissing(f"{self.url}: no such files")
        return FoundFiles(filesystem, root, beside.rows(np.array(rows)), is_chosen=True)

    def _file(self, filesystem: Any, path: str) -> FileTable | None:  # noqa: ANN401  fsspec publishes no types
        """Return the table of the file at a path; None if none lies there."""
        if not self.is_local:
            return remote_file(filesystem, path)
        root, _, name = path.rpartition("/")
        return local_file(root, name) if os.path.isfile(path) else None

    def _below(self, filesystem: Any, root: str) -> FileTable:  # noqa: ANN401
        """Return the files below a folder; none if it does not exist."""
        if not self.is_local:
            return remote_files(filesystem, root)
        if not os.path.isdir(root):
            return FileTable.of(())
        return snapshot_files(root) if scheme_of(self.url) == "hf" else local_files(root)

    def files(self) -> FileTable:
        """Return the entries of `find`, sorted by path.

        Raises:
            ObjectMissing: the location does not exist, or no file matches the pattern.
        """
        return self.find().entries


def _file_name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]
