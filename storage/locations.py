"""Checkpoints and images, which lie outside the store: on this machine, in memory, on S3 or on the Hub."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, NamedTuple

from storage.errors import ObjectMissing
from storage.files import FileEntry
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_files import local_file, local_files
from storage.text import shown


class FoundFiles(NamedTuple):
    """The files of a location."""

    filesystem: Any
    """The fsspec file system that holds them."""
    root: str
    """Their folder's path in the file system."""
    entries: list[FileEntry]
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
        return f"{_etag(info)}-{info.get('created', '')}"

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

        Raises:
            ObjectMissing: the location does not exist, or no file matches the pattern.
        """
        filesystem, path = open_filesystem(self.url)
        root, _, last = path.rstrip("/").rpartition("/")
        with readable_errors(self.url):
            is_pattern = any(sign in last for sign in "*?[") and not filesystem.exists(path)
            is_file = not is_pattern and filesystem.isfile(path)
            if not is_pattern and not is_file:
                root = path.rstrip("/")
            if is_file:
                found = [self._entry(filesystem, path, root)]
            elif filesystem.isdir(root):
                found = self._below(filesystem, root)
            else:
                found = []
            if is_pattern:
                found = [e for e in found if "/" not in e.path and fnmatchcase(e.path, last)]
            if not found and (is_pattern or not filesystem.isdir(root)):
                raise ObjectMissing(f"{self.url}: no such {'files' if is_pattern else 'folder'}")
        entries = sorted(found, key=lambda entry: entry.path)
        return FoundFiles(filesystem, root, entries, is_chosen=is_pattern or is_file)

    def _entry(self, filesystem: Any, path: str, root: str) -> FileEntry:  # noqa: ANN401  fsspec publishes no types
        if self.is_local:
            return local_file(root, path.rpartition("/")[2])
        return _of_info(path, filesystem.info(path), root)

    def _below(self, filesystem: Any, root: str) -> list[FileEntry]:  # noqa: ANN401
        if self.is_local:
            return list(local_files(root))
        return [_of_info(path, info, root) for path, info in filesystem.find(root, detail=True).items()]

    def files(self) -> list[FileEntry]:
        """Return the entries of `find`, sorted by path.

        Raises:
            ObjectMissing: the location does not exist, or no file matches the pattern.
        """
        return self.find().entries


def _file_name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _of_info(path: str, info: dict[str, Any], root: str) -> FileEntry:
    return FileEntry(path.removeprefix(root).lstrip("/"), int(info["size"]), _etag(info))


def _etag(info: dict[str, Any]) -> str:
    """Return S3's etag; elsewhere the size and the time of the last modification stand for one."""
    if etag := info.get("ETag"):
        return str(etag).strip('"')
    changed = info.get("mtime", info.get("created", 0))
    return f"{info['size']}-{changed}"
