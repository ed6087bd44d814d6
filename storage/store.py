"""One small interface over local folders, memory and S3: whole objects, each written in one step."""

import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from storage.errors import ObjectChanged, ObjectExists, ObjectMissing, StorageError, StoreDenied
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_reading import list_files, read_file
from storage.local_writing import TEMPORARY, exchange_file, move_file, write_file
from storage.places import check_place, no_bucket
from storage.s3_reading import get_with_mark
from storage.s3_writing import put_if
from storage.stored import Stored, stored_elsewhere, stored_file


@dataclass(frozen=True)
class Store:
    """A place that holds objects under keys.

    An object is written whole or not at all. `create` refuses to overwrite an object; `replace` overwrites it. A store
    is a value: two stores of one URL are equal, and a pickled store holds no open connection.

    Args:
        url: a path, `file://`, `memory://` or `s3://` address; a relative path starts from the working directory.

    Raises:
        StoreDenied: the address contains credentials, or lies on the Hub.
        StoreUnreachable: it is not an address, or its scheme is unknown.

    Example:
        >>> store = Store("memory://example-of-a-store")
        >>> store.create("notes/today.txt", b"41 files")
        >>> store.replace("notes/today.txt", b"42 files")
        >>> store.read("notes/today.txt")
        b'42 files'
        >>> list(store.keys("notes"))
        ['notes/today.txt']
        >>> store.delete("notes/today.txt")
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
        """Return the full URL of a key.

        Example:
            >>> Store("s3://bucket/store").address("heads/0123.safetensors")
            's3://bucket/store/heads/0123.safetensors'
        """
        return f"{self.url}/{key}"

    def read(self, key: str, *, in_parallel: bool = False) -> bytes:
        """Return an object's bytes.

        Args:
            key: the object's key.
            in_parallel: whether several requests at a time read the object from S3, which is faster for a large one;
                otherwise one request reads it.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        if self.scheme == "file":
            with readable_errors(self.address(key)):
                return read_file(path)
        options = {"max_concurrency": 1} if self.scheme == "s3" and not in_parallel else {}
        with readable_errors(self.address(key)):
            content: bytes = filesystem.cat_file(path, **options)
        return content

    def read_marked(self, key: str, *, in_parallel: bool = False) -> tuple[bytes, str]:
        """Return an object's bytes and its mark, on S3 from one request unless `in_parallel`.

        Args:
            key: the object's key.
            in_parallel: as for `read`.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        if self.scheme == "s3" and not in_parallel:
            filesystem, path = self._locate(key)
            with readable_errors(self.address(key)):
                return get_with_mark(filesystem, path)
        mark = self.stat(key).mark  # before the bytes: the mark of an object that changes meanwhile fits nothing later
        return self.read(key, in_parallel=in_parallel), mark

    def open_marked(self, key: str) -> tuple[Any, str]:
        """Return an object on S3 as a file, which requests only the bytes that are read from it, and its mark.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            file = filesystem.open(path, "rb", cache_type="none")
        return file, stored_elsewhere(file.details).mark

    def open(self, key: str) -> Any:  # noqa: ANN401  fsspec publishes no types
        """Return an object as a seekable binary file, open for reading.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return filesystem.open(path, "rb")

    def create(self, key: str, content: bytes) -> None:
        """Write a new object.

        On S3 this is one conditional PUT. A server that ignores the condition overwrites the object instead; therefore
        `commit` compares the bytes after it has written their manifest.

        Args:
            key: the object's key.
            content: the object's bytes.

        Raises:
            ObjectExists: an object exists already under the key.
        """
        filesystem, path = self._locate(key)
        try:
            with readable_errors(self.address(key)):
                if self.scheme == "file":
                    write_file(Path(self._opened[1]), Path(path), content, exclusive=True)
                else:
                    filesystem.pipe_file(path, content, mode="create")
        except FileExistsError as error:
            raise ObjectExists(f"{self.address(key)}: exists already") from error

    def replace(self, key: str, content: bytes, *, expected: str | None = None) -> None:
        """Write an object; it replaces an existing one.

        Args:
            key: the object's key.
            content: the object's bytes.
            expected: the mark that the object must still have; None: any. An object in memory has no mark.

        Raises:
            ObjectChanged: another process has written or deleted the object since it had the expected mark.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            if self.scheme == "file":
                is_written = exchange_file(Path(self._opened[1]), Path(path), content, expected)
            else:
                is_written = put_if(filesystem, path, content, expected)
        if not is_written:
            raise ObjectChanged(f"{self.address(key)}: written by another process at this moment")

    def upload(self, key: str, path: Path) -> None:
        """Move a file of this machine into the store; it replaces an existing object.

        Args:
            key: the object's key.
            path: the file's path; the file does not exist afterwards.
        """
        filesystem, place = self._locate(key)
        with readable_errors(self.address(key)):
            if self.scheme == "file":
                move_file(Path(self._opened[1]), path, Path(place))
            else:
                filesystem.put_file(str(path), place)
                path.unlink()

    def exists(self, key: str) -> bool:
        """Return whether an object is stored under a key."""
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return bool(filesystem.isfile(path))

    def size(self, key: str) -> int:
        """Return an object's size in bytes.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return int(filesystem.size(path))

    def delete(self, key: str) -> None:
        """Remove an object.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        if not self.exists(key):
            raise ObjectMissing(f"{self.address(key)}: not found")
        with readable_errors(self.address(key)):
            filesystem.rm_file(path)

    def stat(self, key: str) -> Stored:
        """Return an object's size and mark.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            return stored_file(os.stat(path)) if self.scheme == "file" else stored_elsewhere(filesystem.info(path))

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """Return the sizes and marks of all objects below a prefix, by key.

        On S3 this is one request for each thousand objects.

        Args:
            prefix: a folder, and not the beginning of a name; by default the whole store.

        Returns:
            The objects, sorted by key; an empty mapping where the folder does not exist.
        """
        filesystem, root = self._opened
        folder = f"{root}/{prefix}".rstrip("/")
        if self.scheme == "file":
            return self._local_listing(folder, f"{prefix}/" if prefix else "")
        options: dict[str, Any] = {"detail": True}
        if self.scheme == "s3" and "/" in folder:  # saves s3fs a request that looks for an object of the folder's name
            folder, _, name = folder.rpartition("/")
            options["prefix"] = f"{name}/"
        with readable_errors(self.address(prefix)):
            found: Mapping[str, Mapping[str, Any]] = filesystem.find(folder, **options)
        keyed = {path.removeprefix(root).lstrip("/"): stored_elsewhere(found[path]) for path in sorted(found)}
        return {key: stored for key, stored in keyed.items() if not key.startswith(f"{TEMPORARY}/")}

    def _local_listing(self, folder: str, above: str) -> dict[str, Stored]:
        with readable_errors(f"file://{folder}"):
            found = [(f"{above}{path}", status) for path, status in list_files(folder)]
        found.sort()
        return {key: stored_file(status) for key, status in found if not key.startswith(f"{TEMPORARY}/")}

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a prefix, sorted.

        Args:
            prefix: a folder, and not the beginning of a name; by default the whole store.
        """
        yield from self.listing(prefix)

    def _locate(self, key: str) -> tuple[Any, str]:
        filesystem, root = self._opened
        return filesystem, f"{root}/{key}"


def open_store(url: str, *, writable: bool = True) -> Store:
    """Return the store at a URL, after a test that it can be used.

    Args:
        url: as for `Store`.
        writable: whether to write and delete a small object now, so that a store without permission fails at once and
            not after hours of computing.

    Raises:
        StoreDenied: the address contains credentials, is that of a file, or the place cannot be written.
        ObjectMissing: the bucket does not exist.
        StoreUnreachable: it is not an address, its scheme is unknown, or the endpoint does not answer.

    Example:
        >>> open_store("memory://example-of-a-store")
        Store(url='memory://example-of-a-store')
    """
    store = Store(url)
    check_place(store.url, writable=writable)
    if writable:
        probe = f"{TEMPORARY}/{uuid.uuid4().hex}"
        try:
            store.replace(probe, b"")
            store.delete(probe)
        except ObjectMissing as error:
            raise no_bucket(store.url) from error
        except StorageError as error:
            raise type(error)(str(error).replace(f"/{probe}", "")) from error
    return store
