"""Commit an object: write its bytes, then its manifest; adopt or replace bytes that another writer left.

A writer that is killed or loses power between the two leaves an object without a manifest. The next writer adopts this
object if it is sound, and else replaces it. Two simultaneous writers do the same, and both end with one sound copy.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from storage import keys
from storage.errors import ManifestInvalid, ObjectDamaged, ObjectExists, ObjectMissing
from storage.manifests import Manifest, read_manifest, uncommit, write_manifest
from storage.soundness import note_commit
from storage.store import Store

log = logging.getLogger("dawin.storage")

R = TypeVar("R")

_TRIES = 20  # steps; a repair takes three, and each other writer at the same moment costs one or two


def commit(
    store: Store,
    ours: Manifest,
    content: bytes,
    fault_of: Callable[[bytes], str | None],
    widths_of: Callable[[bytes], Mapping[str, int]] = lambda _: {},
) -> Manifest:
    """Write an object and then its manifest, unless a sound object lies under the key already.

    Args:
        store: the store that gets the object.
        ours: the manifest that describes `content`.
        content: the object's bytes.
        fault_of: returns the fault of other bytes that lie under the key, or None if they are sound.
        widths_of: returns the widths of the vectors in other bytes.

    Returns:
        The manifest in the store at the end: ours, or that of another writer's sound object.

    Raises:
        ObjectDamaged: other runs keep writing the object.
    """
    try:
        store.create(ours.key, content)
        if store.is_exclusive:  # nobody can have overwritten the object, and a manifest of other bytes stays in view
            note_commit(store, ours, write_manifest(store, ours, is_new=True))
            return ours
    except ObjectExists:
        return _settle(store, ours, content, fault_of, widths_of, written=set())
    manifest = _committed(store, ours)
    if not _holds(store, ours.key, content):
        return _settle(store, ours, content, fault_of, widths_of, written={ours.sha256})
    return manifest


def read_or_uncommit(store: Store, key: str, read: Callable[[], R]) -> R:
    """Return the result of reading an object; take the object's commit back if it is damaged.

    Another process may be replacing the object and its manifest during an attempt. So an attempt that finds damage
    counts only if the manifest is the same before and after it. After the commit is taken back, readers find the object
    missing and the next run computes it again.

    Args:
        store: the store that holds the object.
        key: the object's key.
        read: reads the object and verifies it; it is called at least twice before the commit is taken back.

    Raises:
        ObjectDamaged: the object is damaged; other errors of `read` leave the commit in place.
    """
    with suppress(ObjectDamaged):
        return read()
    for _ in range(_TRIES):
        for one in (key, keys.manifest(key)):
            store.forget(one)
        before = _manifest_or_none(store, key)
        try:
            return read()
        except ObjectDamaged:
            store.forget(keys.manifest(key))
            if _manifest_or_none(store, key) == before:
                uncommit(store, key)
                raise
    return read()


def _committed(store: Store, manifest: Manifest) -> Manifest:
    note_commit(store, manifest, write_manifest(store, manifest))
    return manifest


def _holds(store: Store, key: str, content: bytes) -> bool:
    """Return whether an object on S3 has the bytes just written: this server ignores the condition of a PUT.

    This costs one HEAD request, and one GET where the ETag is not an MD5.
    """
    try:
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return store.stat(key).mark.strip('"') == etag or store.read(key) == content
    except ObjectMissing:
        return False


def _settle(
    store: Store,
    ours: Manifest,
    content: bytes,
    fault_of: Callable[[bytes], str | None],
    widths_of: Callable[[bytes], Mapping[str, int]],
    *,
    written: set[str],
) -> Manifest:
    """Keep the bytes under the key if they are sound, else replace them with ours.

    Other writers may do the same at this moment. The first one that writes to an empty place wins. Each writer ends
    once it has seen the bytes that its manifest describes, or another writer's bytes with a manifest that fits them.
    `written` holds the SHA-256 in each of our manifests, because another writer's bytes may have made these wrong.
    """
    for _ in range(_TRIES):
        found, manifest = _bytes_or_none(store, ours.key), _manifest_or_none(store, ours.key)
        if found is None:
            with suppress(ObjectExists):
                store.create(ours.key, content)
            continue
        fitting = replace(ours, bytes=len(found), sha256=hashlib.sha256(found).hexdigest())
        if found != content:
            fitting = replace(fitting, widths=widths_of(found))
        for one in manifest.contents if manifest else ():
            if _described(one) == _described(fitting):
                return one  # another run was first
        fault = None if found == content else fault_of(found)
        if fault is None and manifest and manifest.sha256 not in {fitting.sha256, *written} and found != content:
            fault = f"wanted SHA-256 {manifest.sha256[:12]}…, got {fitting.sha256[:12]}…"
        if fault is not None:
            _remove(store, ours.key, found, fault)
            continue
        _committed(store, fitting)
        written.add(fitting.sha256)
        if _bytes_or_none(store, ours.key) == found:
            return fitting
    raise ObjectDamaged(f"{store.address(ours.key)}: other runs keep writing it; run it again after they end")


def _remove(store: Store, key: str, damaged: bytes, fault: str) -> None:
    """Remove damaged bytes, unless another writer has replaced them already."""
    log.warning("%s: damaged, %s; replacing it", store.address(key), fault)
    uncommit(store, key)  # first: a manifest must never describe other bytes
    if _bytes_or_none(store, key) == damaged:
        with suppress(ObjectMissing):
            store.delete(key)


def _described(manifest: Manifest) -> tuple[object, ...]:
    """Return the fields that describe the object itself, and not its making."""
    return manifest.table, manifest.version, manifest.rows, manifest.bytes, manifest.sha256


def _bytes_or_none(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except ObjectMissing:
        return None


def _manifest_or_none(store: Store, key: str) -> Manifest | None:
    try:
        return read_manifest(store, key)
    except (ObjectMissing, ManifestInvalid):
        return None
