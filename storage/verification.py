"""Compare objects with the size and the SHA-256 in their manifests, once per process while they do not change.

A SHA-256 takes a second for 1.2 GB on one core (measured on the machine of docs/performance.md). `DAWIN_VERIFY=size`
restricts the comparison to sizes.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from io import BytesIO
from typing import Any, BinaryIO

from storage.errors import ObjectMissing, StorageError, damaged
from storage.identity import digest_of_file
from storage.manifests import Manifest
from storage.store import Store
from storage.stored import Stored, stored_file

_LARGE = 64 << 20  # bytes, more than an object of logits has: several requests fetch a made model faster than one
_SMALL = 4 << 20  # bytes: one request for the whole object takes no longer than one for each of eight row groups
_REMEMBERED = 1 << 16  # objects, a few hundred bytes each

_verified: dict[tuple[str, str], tuple[str, str]] = {}
"""By store and key: the object's mark at the time of reading, and its SHA-256."""


def verifies_contents() -> bool:
    """Return whether to compare the SHA-256 of objects: unless the variable `DAWIN_VERIFY` is `size`.

    Raises:
        StorageError: the variable is neither empty, `sha256` nor `size`.
    """
    chosen = os.environ.get("DAWIN_VERIFY") or "sha256"
    if chosen not in ("sha256", "size"):
        raise StorageError(f"DAWIN_VERIFY={chosen}: wanted sha256 or size")
    return chosen == "sha256"


def check_stored(
    store: Store, manifest: Manifest, stored: Stored, *, contents: bool, opened: BinaryIO | bytes | None = None
) -> Manifest:
    """Return the manifest of the content that an object has, out of those that its manifest describes.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
        stored: the object's size and mark, from a listing.
        contents: whether to compare the SHA-256 too, which reads the object unless this process has done so before.
        opened: the object, or its bytes, if the caller has opened or read it.

    Raises:
        ObjectDamaged: the object differs from its manifest, or has vanished.
    """
    fitting = [one for one in manifest.contents if one.bytes == stored.size]
    if not fitting:
        _check_size(store, manifest, stored.size)
    if not contents or not verifies_contents():
        return fitting[0]
    for one in fitting:
        if _is_verified(store, one, stored):
            return one
    if isinstance(opened, bytes):
        digest = hashlib.sha256(opened).hexdigest()
    else:
        with _gone_is_damaged(store, manifest), nullcontext(opened) if opened else store.open(manifest.key) as file:
            digest = digest_of_file(file)
    found = _of_digest(store, fitting, digest)
    _remember(store, found, stored)
    return found


def read_sound(store: Store, manifest: Manifest) -> bytes:
    """Return an object's bytes after comparing them with its manifest.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.

    Raises:
        ObjectDamaged: the object differs from its manifest, or has vanished.
    """
    with _gone_is_damaged(store, manifest):
        content, mark = store.read_marked(manifest.key, in_parallel=manifest.bytes > _LARGE)
    check_stored(store, manifest, Stored(len(content), mark), contents=True, opened=content)
    return content


@contextmanager
def open_sound(store: Store, manifest: Manifest, *, in_full: bool = True) -> Iterator[Any]:
    """Open an object as a seekable file after comparing it with its manifest.

    On S3, the first call fetches the whole object with one request. A later call fetches only the bytes that the
    caller reads, if the object has not changed and is not small. A local file is read twice, and is never whole in
    memory.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
        in_full: whether the caller reads most of the object, for which one request for all of it is faster.

    Raises:
        ObjectDamaged: the object differs from its manifest, or has vanished.
    """
    with _gone_is_damaged(store, manifest):
        if store.scheme == "file":
            file = _open_local(store, manifest)
        elif verifies_contents():
            by_range = not in_full and manifest.bytes > _SMALL
            file = (_open_verified(store, manifest) if by_range else None) or BytesIO(read_sound(store, manifest))
        else:
            file = store.open(manifest.key)
    with file:
        check_stored(store, manifest, Stored(file.seek(0, os.SEEK_END), ""), contents=False)
        file.seek(0)
        yield file


def _open_local(store: Store, manifest: Manifest) -> Any:  # noqa: ANN401
    """Open an object before comparing it with its manifest, because another process may replace it meanwhile."""
    file = store.open(manifest.key)
    try:
        check_stored(store, manifest, stored_file(os.fstat(file.fileno())), contents=True, opened=file)
    except BaseException:
        file.close()
        raise
    return file


def _open_verified(store: Store, manifest: Manifest) -> Any | None:  # noqa: ANN401  fsspec publishes no types
    """Open an object on S3 whose SHA-256 this process has compared and that has not changed since; else return None."""
    if store.scheme != "s3" or (store.url, manifest.key) not in _verified:
        return None
    file, mark = store.open_marked(manifest.key)
    if any(_is_verified(store, one, Stored(one.bytes, mark)) for one in manifest.contents):
        return file
    file.close()
    return None


def remember_written(store: Store, manifest: Manifest) -> None:
    """Remember an object that this process has just written, so that its SHA-256 is not computed once more.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
    """
    if store.scheme == "file":
        with suppress(ObjectMissing):  # another writer has just removed the object, and writes its own
            _remember(store, manifest, store.stat(manifest.key))


def verified_mark(store: Store, manifest: Manifest) -> str:
    """Return the mark that an object had when its SHA-256 was compared with its manifest; empty if it never was.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
    """
    mark, digest = _verified.get((store.url, manifest.key), ("", ""))
    return mark if digest == manifest.sha256 else ""


def note_verified(store: Store, manifest: Manifest, mark: str) -> None:
    """Remember that an object's SHA-256 was compared with its manifest, perhaps by another process.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
        mark: of the object at that time; empty: it was not compared.
    """
    if mark:
        _remember(store, manifest, Stored(manifest.bytes, mark))


def _is_verified(store: Store, manifest: Manifest, stored: Stored) -> bool:
    return bool(stored.mark) and _verified.get((store.url, manifest.key)) == (stored.mark, manifest.sha256)


def _remember(store: Store, manifest: Manifest, stored: Stored) -> None:
    if len(_verified) >= _REMEMBERED:
        _verified.clear()
    _verified[store.url, manifest.key] = stored.mark, manifest.sha256


@contextmanager
def _gone_is_damaged(store: Store, manifest: Manifest) -> Iterator[None]:
    try:
        yield
    except ObjectMissing as error:
        raise damaged(store.address(manifest.key), f"wanted {manifest.bytes:,} bytes, got no object") from error


def _check_size(store: Store, manifest: Manifest, size: int) -> None:
    if size != manifest.bytes:
        raise damaged(store.address(manifest.key), f"wanted {manifest.bytes:,} bytes, got {size:,}")


def _of_digest(store: Store, fitting: Sequence[Manifest], digest: str) -> Manifest:
    for one in fitting:
        if one.sha256 == digest:
            return one
    first = fitting[0]
    raise damaged(store.address(first.key), f"wanted SHA-256 {first.sha256[:12]}…, got {digest[:12]}…")
