"""Holding objects against the size and the SHA-256 of their manifests, each once a process while it does not change.

SHA-256 costs a second for 1.2 GB on one core (measured on the machine of the README's figures).
`DAWIN_VERIFY=size` leaves it out.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from storage.errors import ObjectMissing, StorageError, damaged
from storage.identity import digest_of_file
from storage.manifests import Manifest
from storage.store import Store, Stored

_LARGE = 64 << 20  # bytes, above those of an object of logits: a made model, which several requests fetch faster
_SMALL = 4 << 20  # bytes: one request for all of them takes no longer than one for each of eight row groups
_REMEMBERED = 1 << 16  # objects, some hundred bytes each

_verified: dict[tuple[str, str], tuple[str, str]] = {}
"""By store and key: the object's mark when it was read, and its SHA-256."""


def verifies_contents() -> bool:
    """Tell whether objects are held against their SHA-256: unless `DAWIN_VERIFY` is `size`."""
    chosen = os.environ.get("DAWIN_VERIFY") or "sha256"
    if chosen not in ("sha256", "size"):
        raise StorageError(f"DAWIN_VERIFY={chosen}: wanted sha256 or size")
    return chosen == "sha256"


def check_stored(store: Store, manifest: Manifest, stored: Stored, *, contents: bool) -> None:
    """Raise `ObjectDamaged` unless an object of a listing is what its manifest says; with `contents`, read it."""
    _check_size(store, manifest, stored.size)
    if contents and verifies_contents() and not _is_verified(store, manifest, stored):
        with _gone_is_damaged(store, manifest), store.open(manifest.key) as file:
            _check_digest(store, manifest, digest_of_file(file))
        _remember(store, manifest, stored)


def read_sound(store: Store, manifest: Manifest) -> bytes:
    """Return an object's bytes; `ObjectDamaged` unless they are what its manifest says."""
    with _gone_is_damaged(store, manifest):
        content, mark = store.read_marked(manifest.key, in_parallel=manifest.bytes > _LARGE)
    stored = Stored(len(content), mark)
    _check_size(store, manifest, len(content))
    if verifies_contents() and not _is_verified(store, manifest, stored):
        _check_digest(store, manifest, hashlib.sha256(content).hexdigest())
        _remember(store, manifest, stored)
    return content


@contextmanager
def open_sound(store: Store, manifest: Manifest, *, in_full: bool = True) -> Iterator[Any]:
    """Open an object as a seekable file; `ObjectDamaged` unless it is what its manifest says.

    On S3 it is read whole, in one request; the next time, only the bytes that the reader asks for, where it does not
    ask for most of them (`in_full`). A local file is read twice, and never held in memory whole.
    """
    with _gone_is_damaged(store, manifest):
        if store.scheme == "file":
            check_stored(store, manifest, store.stat(manifest.key), contents=True)
            file = store.open(manifest.key)
        elif verifies_contents():
            by_range = not in_full and manifest.bytes > _SMALL
            file = (_open_verified(store, manifest) if by_range else None) or BytesIO(read_sound(store, manifest))
        else:
            file = store.open(manifest.key)
    with file:
        _check_size(store, manifest, file.seek(0, os.SEEK_END))
        file.seek(0)
        yield file


def _open_verified(store: Store, manifest: Manifest) -> Any | None:  # noqa: ANN401  a file, of which fsspec has no types
    """Open an object on S3 that this process has held against its SHA-256 and that did not change since; else None."""
    if store.scheme != "s3" or (store.url, manifest.key) not in _verified:
        return None
    file, mark = store.open_marked(manifest.key)
    if _is_verified(store, manifest, Stored(manifest.bytes, mark)):
        return file
    file.close()
    return None


def remember_written(store: Store, manifest: Manifest) -> None:
    """Record an object that this process has just written, so that its SHA-256 is not computed once more."""
    if store.scheme == "file":
        with suppress(ObjectMissing):  # another writer has just removed it, and writes its own
            _remember(store, manifest, store.stat(manifest.key))


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


def _check_digest(store: Store, manifest: Manifest, digest: str) -> None:
    if digest != manifest.sha256:
        reason = f"wanted SHA-256 {manifest.sha256[:12]}…, got {digest[:12]}…"
        raise damaged(store.address(manifest.key), reason)
