"""Committing an object: its bytes, then its manifest; and what to do about bytes that are there already.

A writer that is killed, or loses its power, between the two leaves an object without manifest. The next writer adopts
it if it is sound, and else writes its own in its place. So do two writers at once: both end with one copy.
"""

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from storage.errors import ManifestInvalid, ObjectDamaged, ObjectExists, ObjectMissing
from storage.manifests import Manifest, read_manifest, uncommit, write_manifest
from storage.soundness import note_commit
from storage.store import Store

log = logging.getLogger("dawin.storage")

R = TypeVar("R")

_TRIES = 20  # steps; mending takes three, and each other writer at the same moment costs one or two


def commit(store: Store, ours: Manifest, content: bytes, fault_of: Callable[[bytes], str | None]) -> Manifest:
    """Make an object visible, whole, then its manifest; return the manifest that is there at the end.

    Args:
        store: gets the object.
        ours: describes `content`.
        content: the object's bytes.
        fault_of: says why other bytes, found under the key, are not this object; None: they are.
    """
    try:
        store.create(ours.key, content)
    except ObjectExists:
        return _settle(store, ours, content, fault_of, written=set())
    manifest = _committed(store, ours)
    if store.scheme == "s3" and not _is_there(store, ours.key, content):
        return _settle(store, ours, content, fault_of, written={ours.sha256})
    return manifest


def read_or_uncommit(store: Store, key: str, read: Callable[[], R]) -> R:
    """Return what `read` makes of an object; take its commit back when it finds it damaged, twice.

    Another run may have written the object anew between its bytes and its manifest: the second look sees that. The
    next run finds the object missing, and computes it again; whoever reads it meanwhile learns that it is not there.
    """
    try:
        return read()
    except ObjectDamaged:
        try:
            return read()
        except ObjectDamaged:
            uncommit(store, key)
            raise


def _committed(store: Store, manifest: Manifest) -> Manifest:
    write_manifest(store, manifest)
    note_commit(store, manifest)
    return manifest


def _is_there(store: Store, key: str, content: bytes) -> bool:
    """Tell whether an object on S3 has the bytes just written: a server may ignore the condition of a PUT.

    Costs one HEAD; where the ETag is no MD5, a GET too.
    """
    try:
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return store.stat(key).mark.strip('"') == etag or store.read(key) == content
    except ObjectMissing:
        return False


def _settle(
    store: Store, ours: Manifest, content: bytes, fault_of: Callable[[bytes], str | None], *, written: set[str]
) -> Manifest:
    """Keep the bytes that are there if they are sound, else put ours in their place.

    Other writers may do the same at this moment. Of those that put bytes in an empty place the first wins, and each
    ends only when it has seen the bytes that its manifest describes, or bytes and manifest of another one. `written`
    holds the SHA-256 of our manifests, which another writer's bytes may have made wrong.
    """
    for _ in range(_TRIES):
        there, manifest = _bytes_or_none(store, ours.key), _manifest_or_none(store, ours.key)
        if there is None:
            with suppress(ObjectExists):
                store.create(ours.key, content)
            continue
        fitting = replace(ours, bytes=len(there), sha256=hashlib.sha256(there).hexdigest())
        if manifest and _described(manifest) == _described(fitting):
            return manifest  # another run was first
        fault = None if there == content else fault_of(there)
        if fault is None and manifest and manifest.sha256 not in {fitting.sha256, *written} and there != content:
            fault = f"wanted SHA-256 {manifest.sha256[:12]}…, got {fitting.sha256[:12]}…"
        if fault is not None:
            _remove(store, ours.key, there, fault)
            continue
        _committed(store, fitting)
        written.add(fitting.sha256)
        if _bytes_or_none(store, ours.key) == there:
            return fitting
    raise ObjectDamaged(f"{store.address(ours.key)}: other runs write it time and again; run it again when they ended")


def _remove(store: Store, key: str, damaged: bytes, fault: str) -> None:
    """Remove damaged bytes, unless another writer has replaced them already."""
    log.warning("%s: damaged, %s; written anew", store.address(key), fault)
    uncommit(store, key)  # first: a manifest must never describe other bytes
    if _bytes_or_none(store, key) == damaged:
        with suppress(ObjectMissing):
            store.delete(key)


def _described(manifest: Manifest) -> tuple[object, ...]:
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
