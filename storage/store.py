"""One small interface over local folders, memory and S3: whole objects, each written in one step."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from storage.back_ends import BackEnd
from storage.errors import ObjectExists, ObjectMissing, StorageError, StoreDenied
from storage.filesystem import absolute, open_filesystem, readable_errors, scheme_of
from storage.local_writing import TEMPORARY
from storage.open_looks import OpenLook, open_look
from storage.places import check_place, no_bucket
from storage.stored import Stored, stored_elsewhere


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
        >>> _ = store.create("notes/today.txt", b"41 files")
        >>> _ = store.replace("notes/today.txt", b"42 files")
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
    def _opened(self) -> BackEnd:
        with readable_errors(self.url):
            return BackEnd(self.scheme, *open_filesystem(self.url))

    @property
    def _look(self) -> OpenLook | None:
        return open_look(self.url) if self.scheme == "s3" else None

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
        if self.scheme == "s3" and not in_parallel:
            return self.read_marked(key)[0]
        with readable_errors(self.address(key)):
            content: bytes = self._opened.read(key)
        return content

    def read_marked(self, key: str, *, in_parallel: bool = False) -> tuple[bytes, str]:
        """Return an object's bytes and its mark, on S3 from one request unless `in_parallel`.

        While a look at the store is open (`open_looks`), bytes that it keeps cost no request.

        Args:
            key: the object's key.
            in_parallel: as for `read`.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        if in_parallel:
            mark = self.stat(key).mark
            return self.read(key, in_parallel=True), mark
        look = self._look
        if look and (known := look.content(key, self._list)):
            return known
        with readable_errors(self.address(key)):
            content, mark = self._opened.read_marked(key)
        if look:
            look.keep(key, content, mark)
        return content, mark

    def open_marked(self, key: str) -> tuple[Any, str]:
        """Return an object on S3 as a file, which requests only the bytes that are read from it, and its mark.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        with readable_errors(self.address(key)):
            file = self._opened.filesystem.open(self._opened.path(key), "rb", cache_type="none")
        return file, stored_elsewhere(file.details).mark

    def open(self, key: str) -> Any:  # noqa: ANN401  fsspec publishes no types
        """Return an object as a seekable binary file, open for reading.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        with readable_errors(self.address(key)):
            return self._opened.filesystem.open(self._opened.path(key), "rb")

    def create(self, key: str, content: bytes) -> str:
        """Write a new object and return its mark; the mark is empty where only `stat` shows it.

        On S3 this is one conditional PUT, which some servers do not honour: see `is_exclusive`.

        Args:
            key: the object's key.
            content: the object's bytes.

        Raises:
            ObjectExists: an object exists already under the key.
        """
        try:
            return self._write(key, content, exclusive=True)
        except FileExistsError as error:
            raise ObjectExists(f"{self.address(key)}: exists already") from error

    def replace(self, key: str, content: bytes, *, expected: str = "") -> str:
        """Write an object, which replaces an existing one, and return its mark as `create` does.

        Args:
            key: the object's key.
            content: the object's bytes.
            expected: the mark that the object must still have; empty: any. An object in memory has no mark.

        Raises:
            ObjectChanged: another process has written or deleted the object since it had the expected mark.
        """
        return self._write(key, content, exclusive=False, expected=expected)

    def _write(self, key: str, content: bytes, *, exclusive: bool, expected: str = "") -> str:
        with readable_errors(self.address(key)):
            mark = self._opened.write(key, content, exclusive=exclusive, expected=expected)
        if look := self._look:
            look.wrote(key, len(content), mark)
            look.keep(key, content, mark)
        return mark

    @property
    def is_exclusive(self) -> bool:
        """Whether `create` never overwrites an object: true except of S3 servers that ignore the conditions of PUTs."""
        with readable_errors(self.url):
            return self._opened.is_exclusive(_free_key())

    def holds(self, key: str, content: bytes) -> bool:
        """Return whether the store is known to hold an object with some bytes: on S3 only an open look shows it.

        Args:
            key: the object's key.
            content: the bytes.
        """
        if self.scheme == "s3":
            mark = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
            return self._look is not None and self._look.stored(key, self._list) == Stored(len(content), mark)
        return self.exists(key) and self.read(key) == content

    def upload(self, key: str, path: Path) -> str:
        """Move a file of this machine into the store; it replaces an existing object.

        The mark that is returned is empty where only `stat` shows it, or another process has replaced the object.

        Args:
            key: the object's key.
            path: the file's path; the file does not exist afterwards.
        """
        with readable_errors(self.address(key)):
            size, mark = self._opened.upload(key, path)
        if look := self._look:
            look.wrote(key, size, "")
        return mark

    def forget(self, key: str) -> None:
        """Forget the bytes of an object that an open look keeps: another process may have replaced it."""
        if look := self._look:
            look.forget(key)

    def exists(self, key: str) -> bool:
        """Return whether an object is stored under a key."""
        if look := self._look:
            return look.stored(key, self._list) is not None
        with readable_errors(self.address(key)):
            return bool(self._opened.filesystem.isfile(self._opened.path(key)))

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where none exists."""
        with readable_errors(self.address(key)):
            self._opened.delete(key)
        if look := self._look:
            look.removed(key)

    def stat(self, key: str) -> Stored:
        """Return an object's size and mark.

        Raises:
            ObjectMissing: no object exists under the key.
        """
        with readable_errors(self.address(key)):
            return self._opened.stat(key)

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """Return the sizes and marks of all objects below a prefix, by key.

        On S3 this is one request for each thousand objects, and none while an open look (`open_looks`) shows them.

        Args:
            prefix: a folder, and not the beginning of a name; by default the whole store.

        Returns:
            The objects, sorted by key; none where the folder does not exist.
        """
        look = self._look
        return look.listing(prefix, self._list) if look else self._list(prefix, 0)[0]

    def listing_within(self, prefix: str, pages: int) -> tuple[dict[str, Stored], bool]:
        """Return a listing and whether it is whole: on S3 it ends after `pages` requests of a thousand keys each."""
        look = self._look
        return look.listing_within(prefix, pages, self._list) if look else self._list(prefix, pages)

    def _list(self, prefix: str, pages: int) -> tuple[dict[str, Stored], bool]:
        """List a folder; files that are still being written are left out."""
        with readable_errors(self.address(prefix)):
            found, is_whole = self._opened.listing(prefix, pages)
        return {key: stored for key, stored in found.items() if not key.startswith(f"{TEMPORARY}/")}, is_whole

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a prefix, sorted; the prefix is a folder, by default the whole store."""
        yield from self.listing(prefix)


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
        key = _free_key()
        try:
            with readable_errors(store.address(key)):
                store._opened.try_to_write(key)
        except ObjectMissing as error:
            raise no_bucket(store.url) from error
        except StorageError as error:
            raise type(error)(str(error).replace(f"/{key}", "")) from error
    return store


def _free_key() -> str:
    return f"{TEMPORARY}/{uuid.uuid4().hex}"
