"""One small interface over local folders, memory and S3: whole objects, written once, atomically."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from storage.errors import ObjectExists, ObjectMissing, StorageError, StoreDenied
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_writing import TEMPORARY, move_file, write_file
from storage.s3_reading import get_with_mark


class Stored(NamedTuple):
    """An object as a listing shows it."""

    size: int
    """Bytes."""
    mark: str
    """Differs once the object was written again: times and inode, or the ETag; empty where the back end has neither."""


@dataclass(frozen=True)
class Store:
    """A place that holds objects under keys.

    Objects are written whole or not at all. `create` refuses to write over an object, `replace` is the asking
    for it. A store is a value: equal by its URL, picklable without open connections.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", absolute(self.url))
        if self.scheme == "hf":
            raise StoreDenied(f"{self.url}: a store cannot be on the Hub; wanted a path, file:// or s3://")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    @property
    def scheme(self) -> str:
        """`file`, `memory` or `s3`."""
        return scheme_of(self.url)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        with readable_errors(self.url):
            return open_filesystem(self.url)

    def address(self, key: str) -> str:
        """Return the full URL of a key."""
        return f"{self.url}/{key}"

    def read(self, key: str, *, in_parallel: bool = False) -> bytes:
        """Return an object's bytes; `ObjectMissing` when there is none.

        On S3 this is one request; with `in_parallel` it is several, several at a time, as suits large objects.
        """
        filesystem, path = self._locate(key)
        options = {"max_concurrency": 1} if self.scheme == "s3" and not in_parallel else {}
        with readable_errors(self.address(key)):
            content: bytes = filesystem.cat_file(path, **options)
        return content

    def read_marked(self, key: str, *, in_parallel: bool = False) -> tuple[bytes, str]:
        """Return an object's bytes and its mark, on S3 from one request unless `in_parallel`; see `read`."""
        if self.scheme == "s3" and not in_parallel:
            filesystem, path = self._locate(key)
            with readable_errors(self.address(key)):
                return get_with_mark(filesystem, path)
        mark = self.stat(key).mark  # first: where the object changes meanwhile, the mark fits nothing later
        return self.read(key, in_parallel=in_parallel), mark

    def open_marked(self, key: str) -> tuple[Any, str]:
        """Open an object on S3 as a file that requests only the bytes that its reader asks for; return its mark too."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            file = filesystem.open(path, "rb", cache_type="none")
        return file, _stored(file.details).mark

    def open(self, key: str) -> Any:  # noqa: ANN401  fsspec publishes no types
        """Open an object for reading, as a seekable binary file."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return filesystem.open(path, "rb")

    def create(self, key: str, content: bytes) -> None:
        """Write a new object whole; `ObjectExists` when the key is taken, whoever took it.

        On S3 this is one conditional PUT. A server that ignores the condition writes over the object instead, so
        `commit` looks at the bytes once more after it wrote their manifest.
        """
        filesystem, path = self._locate(key)
        try:
            with readable_errors(self.address(key)):
                if self.scheme == "file":
                    write_file(Path(self._opened[1]), Path(path), content, exclusive=True)
                else:
                    filesystem.pipe_file(path, content, mode="create")
        except FileExistsError as error:
            raise ObjectExists(f"{self.address(key)}: already written") from error

    def replace(self, key: str, content: bytes) -> None:
        """Write an object whole, over whatever was there."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            if self.scheme == "file":
                write_file(Path(self._opened[1]), Path(path), content, exclusive=False)
            else:
                filesystem.pipe_file(path, content)

    def upload(self, key: str, path: Path) -> None:
        """Move a file of this machine into the store, whole, over whatever was there."""
        filesystem, place = self._locate(key)
        with readable_errors(self.address(key)):
            if self.scheme == "file":
                move_file(Path(self._opened[1]), path, Path(place))
            else:
                filesystem.put_file(str(path), place)
                path.unlink()

    def exists(self, key: str) -> bool:
        """Tell whether an object is stored under a key."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return bool(filesystem.isfile(path))

    def size(self, key: str) -> int:
        """Return an object's size in bytes."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return int(filesystem.size(path))

    def delete(self, key: str) -> None:
        """Remove an object; `ObjectMissing` when there is none."""
        filesystem, path = self._locate(key)
        if not self.exists(key):
            raise ObjectMissing(f"{self.address(key)}: nothing is there")
        with readable_errors(self.address(key)):
            filesystem.rm_file(path)

    def stat(self, key: str) -> Stored:
        """Return an object's size and mark; `ObjectMissing` when there is none."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return _stored(filesystem.info(path))

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """Return the objects below a prefix (a folder) by key, sorted; empty when there are none.

        On S3 this is one request for each thousand objects.
        """
        filesystem, root = self._opened
        folder = f"{root}/{prefix}".rstrip("/")
        options: dict[str, Any] = {"detail": True}
        if self.scheme == "s3" and "/" in folder:  # so that an empty folder is not taken for an object, and looked for
            folder, _, name = folder.rpartition("/")
            options["prefix"] = f"{name}/"
        with readable_errors(self.address(prefix)):
            found: Mapping[str, Mapping[str, Any]] = filesystem.find(folder, **options)
        keyed = {path.removeprefix(root).lstrip("/"): _stored(found[path]) for path in sorted(found)}
        return {key: stored for key, stored in keyed.items() if not key.startswith(f"{TEMPORARY}/")}

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a prefix (a folder), sorted; nothing when there are none."""
        yield from self.listing(prefix)

    def _locate(self, key: str) -> tuple[Any, str]:
        filesystem, root = self._opened
        return filesystem, f"{root}/{key}"


def _stored(info: Mapping[str, Any]) -> Stored:
    """Return what a back end says of an object, which each says in words of its own."""
    if "ino" in info:  # local: `created` is the time of the last change of anything about it, which nobody can set back
        return Stored(int(info["size"]), f"{info['ino']}-{info['mtime']}-{info['created']}")
    return Stored(int(info["size"]), str(info.get("ETag") or ""))


def open_store(url: str, *, writable: bool = True) -> Store:
    """Return the store at a URL; with `writable`, make sure now that it can be written, not after hours of work."""
    store = Store(url)
    if writable:
        probe = f"{TEMPORARY}/{uuid.uuid4().hex}"
        try:
            store.replace(probe, b"")
            store.delete(probe)
        except StorageError as error:
            raise type(error)(str(error).replace(f"/{probe}", "")) from error
    return store
