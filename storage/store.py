"""One small interface over local folders, memory and S3: whole objects, each written in one step."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from storage.errors import ObjectExists, ObjectMissing, StorageError, StoreDenied
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_listing import local_objects
from storage.local_writing import TEMPORARY, move_file, write_file
from storage.places import check_place, no_bucket
from storage.s3_listing import first_pages
from storage.s3_reading import get_with_mark
from storage.stored import Stored, stored_of


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
        return file, stored_of(file.details).mark

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

    def replace(self, key: str, content: bytes) -> None:
        """Write an object; it replaces an existing one.

        Args:
            key: the object's key.
            content: the object's bytes.
        """
        filesystem, path = self._locate(key)
        with readable_errors(self.address(key)):
            if self.scheme == "file":
                write_file(Path(self._opened[1]), Path(path), content, exclusive=False)
            else:
                filesystem.pipe_file(path, content)

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
            return stored_of(filesystem.info(path))

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
            with readable_errors(self.address(prefix)):
                return self._keyed({f"{folder}/{path}": stored for path, stored in local_objects(folder)})
        options: dict[str, Any] = {"detail": True}
        if self.scheme == "s3" and "/" in folder:  # saves s3fs a request that looks for an object of the folder's name
            folder, _, name = folder.rpartition("/")
            options["prefix"] = f"{name}/"
        with readable_errors(self.address(prefix)):
            found: Mapping[str, Mapping[str, Any]] = filesystem.find(folder, **options)
        return self._keyed({path: stored_of(info) for path, info in found.items()})

    def listing_within(self, prefix: str, pages: int) -> tuple[dict[str, Stored], bool]:
        """Return a listing and whether it is whole: on S3 it ends after `pages` requests of a thousand keys each."""
        if self.scheme != "s3":
            return self.listing(prefix), True
        with readable_errors(self.address(prefix)):
            found, is_whole = first_pages(self._opened[0], f"{self._opened[1]}/{prefix}", pages)
        return self._keyed(found), is_whole

    def _keyed(self, found: Mapping[str, Stored]) -> dict[str, Stored]:
        """Return objects by key, sorted, from objects by path; files that are still being written are left out."""
        start = len(self._opened[1].rstrip("/")) + 1
        keyed = {path[start:]: found[path] for path in sorted(found)}
        return {key: stored for key, stored in keyed.items() if not key.startswith(f"{TEMPORARY}/")}

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
