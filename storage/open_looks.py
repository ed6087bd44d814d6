"""Looks at a store on S3 that stay open while a run works, so that no part of it asks for the same thing twice.

While a look is open, this process lists a folder once, and keeps the bytes of small objects that it writes or reads.
Its own writes change the look. Those of other processes show after a minute, or after `renew`. Until then a run may
compute an object that another one has just committed, whose bytes then stay; and it may miss that an object was deleted
or damaged, which reading it shows. Bytes in memory serve a reader only while the look shows the ETag that they came
with.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from storage.stored import Stored

_SECONDS = 60.0  # after which a look lists again
_SMALL = 4 << 20  # bytes of an object that is kept; a larger one is read in parts, or once
_KEPT = 64 << 20  # bytes of all objects that are kept
_PAGES = (1, 1, 20)  # requests to list the store, a table, and a table on one data set; else the folders inside it

Listing = dict[str, Stored]
Lister = Callable[[str, int], tuple[Listing, bool]]
"""Returns the objects below a folder from at most some requests, and whether these are all."""

_open: dict[str, "OpenLook"] = {}
_guard = threading.Lock()


@contextmanager
def looking(url: str) -> Iterator["OpenLook"]:
    """Keep a look at a store open; inside another look of this process at the same store this changes nothing.

    Args:
        url: the store's full URL.

    Example:
        >>> with looking("s3://bucket/store") as look, looking("s3://bucket/store") as same:
        ...     look is same is open_look("s3://bucket/store")
        True
        >>> open_look("s3://bucket/store") is None
        True
    """
    with _guard:
        look = _open.setdefault(url, OpenLook())
        look.users += 1
    try:
        yield look
    finally:
        with _guard:
            look.users -= 1
            if not look.users:
                del _open[url]


def open_look(url: str) -> "OpenLook | None":
    """Return the open look at a store, None without one.

    Args:
        url: the store's full URL.
    """
    return _open.get(url)


def look_again(url: str) -> None:
    """Have the open look at a store list again, because other processes have written.

    Args:
        url: the store's full URL; without an open look nothing happens.
    """
    if look := _open.get(url):
        look.renew()


class OpenLook:
    """The objects of a store as this process has seen them."""

    def __init__(self) -> None:
        self.users = 0
        self._contents: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._kept = 0
        self._lock = threading.RLock()
        self.renew()

    def renew(self) -> None:
        """Forget all listings, because other processes have written or deleted objects."""
        with self._lock:
            self._tree: dict[str, Any] = {}
            self._whole: set[str] = set()
            self._large: set[str] = set()
            self._began = monotonic()

    def listing(self, prefix: str, lister: Lister) -> Listing:
        """Return the objects below a folder, sorted by key.

        Args:
            prefix: the folder; empty for the whole store.
            lister: asks the store.
        """
        with self._lock:
            self._cover(prefix, lister)
            return dict(sorted(_below(self._node(prefix), prefix)))

    def listing_within(self, prefix: str, pages: int, lister: Lister) -> tuple[Listing, bool]:
        """Return a listing and whether it is whole, as `Store.listing_within` does."""
        with self._lock:
            if self._is_covered(prefix) or (prefix not in self._large and self._list(prefix, pages, lister)):
                return self.listing(prefix, lister), True
        return {}, False

    def stored(self, key: str, lister: Lister) -> Stored | None:
        """Return an object's size and mark, None if the look does not show it."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            self._cover(folder, lister)
            found: Stored | None = self._node(folder).get(name)
        return found

    def content(self, key: str, lister: Lister) -> tuple[bytes, str] | None:
        """Return an object's bytes and mark, if they are in memory and the look shows the same mark."""
        with self._lock:
            if key not in self._contents:
                return None
            mark, content = self._contents[key]
            if self.stored(key, lister) != Stored(len(content), mark):
                return None
            self._contents.move_to_end(key)
            return content, mark

    def keep(self, key: str, content: bytes, mark: str) -> None:
        """Keep the bytes of an object, unless it is large or has no mark; those that were not used longest go.

        Args:
            key: the object's key.
            content: its bytes.
            mark: of the object with these bytes.
        """
        with self._lock:
            self._drop(key)
            if mark and len(content) <= _SMALL:
                self._contents[key] = mark, content
                self._kept += len(content)
            while self._kept > _KEPT:
                self._drop(next(iter(self._contents)))

    def wrote(self, key: str, size: int, mark: str) -> None:
        """Note an object that this process has written.

        Args:
            key: the object's key.
            size: bytes.
            mark: of the object; empty: unknown, so that nothing in memory counts as its content.
        """
        folder, _, name = key.rpartition("/")
        with self._lock:
            node = self._tree
            for part in folder.split("/") if folder else ():
                node = node.setdefault(f"{part}/", {})
            node[name] = Stored(size, mark)

    def removed(self, key: str) -> None:
        """Note an object that this process has deleted."""
        folder, _, name = key.rpartition("/")
        with self._lock:
            self._drop(key)
            self._node(folder).pop(name, None)

    def forget(self, key: str) -> None:
        """Forget an object's bytes."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        _, content = self._contents.pop(key, ("", b""))
        self._kept -= len(content)

    def _node(self, folder: str) -> dict[str, Any]:
        node = self._tree
        for part in folder.split("/") if folder else ():
            node = node.get(f"{part}/", {})
        return node

    def _is_covered(self, prefix: str) -> bool:
        if monotonic() - self._began > _SECONDS:
            self.renew()
        return any(folder in self._whole for folder in _folders(prefix))

    def _cover(self, prefix: str, lister: Lister) -> None:
        """List a folder, or one above it that is small: its other folders will be asked for too."""
        if self._is_covered(prefix):
            return
        for folder, pages in zip(_folders(prefix), _PAGES, strict=False):
            if folder not in self._large and self._list(folder, pages, lister):
                return
        self._list(prefix, 0, lister)

    def _list(self, folder: str, pages: int, lister: Lister) -> bool:
        """List a folder and return whether the listing is whole."""
        found, is_whole = lister(folder, pages)
        if is_whole:
            self._whole.add(folder)
            for key, stored in found.items():
                self.wrote(key, *stored)
        else:
            self._large.add(folder)
        return is_whole


def _folders(prefix: str) -> Iterator[str]:
    """Yield the folders above a folder from the store's down, and the folder itself."""
    yield ""
    place = -1
    while prefix and (place := prefix.find("/", place + 1)) >= 0:
        yield prefix[:place]
    if prefix:
        yield prefix


def _below(node: dict[str, Any], above: str) -> Iterator[tuple[str, Stored]]:
    """Yield all objects below a folder."""
    start = f"{above}/" if above else ""
    for name, found in node.items():
        if name.endswith("/"):
            yield from _below(found, f"{start}{name[:-1]}")
        else:
            yield f"{start}{name}", found
