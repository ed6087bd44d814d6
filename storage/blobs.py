"""Blobs: objects that are not tables (classification heads and made models), committed with a manifest."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from storage.commits import commit, read_or_uncommit
from storage.errors import damaged
from storage.identity import digest_of_file
from storage.inspection import current_version
from storage.manifests import Manifest, now, read_manifest, uncommit, write_manifest
from storage.soundness import counts_as_missing, note_commit, states
from storage.store import Store
from storage.verification import open_sound, read_sound, verifies_contents

log = logging.getLogger("dawin.storage")

R = TypeVar("R")

_TRIES = 20  # writes of a manifest; each other writer at the same moment costs one


def commit_bytes(store: Store, key: str, content: bytes, *, entries: int, identity: Mapping[str, Any]) -> Manifest:
    """Commit a blob that is in memory.

    Args:
        store: the store that gets the object.
        key: the object's key; its first folder is the kind of blob.
        content: the object's bytes.
        entries: the number of tensors in it.
        identity: everything that the content depends on.

    Returns:
        The manifest in the store at the end.

    Raises:
        KeyError: the key's first folder is not a kind of blob.
        ObjectDamaged: other runs keep writing the object.
    """
    digest = hashlib.sha256(content).hexdigest()
    manifest = _manifest(key, entries, len(content), digest, identity)
    # bytes alone do not show whether they are whole: an object that another run left without a manifest is overwritten
    return commit(store, manifest, content, lambda _: f"wanted SHA-256 {digest[:12]}…, got other bytes")


def commit_file(
    store: Store, key: str, path: Path, *, entries: int, identity: Mapping[str, Any], digest: str = ""
) -> Manifest:
    """Move a file of this machine into the store and commit it, unless a sound object is committed there.

    A sound object stays as it is: another run made it from the same identity, and a third one may be reading it.

    Args:
        store: the store that gets the object.
        key: the object's key; its first folder is the kind of blob.
        path: the file's path; the file does not exist afterwards.
        entries: the number of tensors in it.
        identity: everything that the content depends on.
        digest: SHA-256 of the file, as its writer computed it on the way; empty: it is computed now.

    Returns:
        The manifest in the store at the end.

    Raises:
        KeyError: the key's first folder is not a kind of blob.
        ObjectDamaged: other runs keep writing the object.
    """
    found = states(store, key.rpartition("/")[0], contents=True, only=(key,))
    if key in found:
        if not counts_as_missing(found[key]):
            path.unlink()
            return read_manifest(store, key)
        uncommit(store, key)  # first: a manifest must never describe other bytes
    if not digest:
        with path.open("rb") as file:
            digest = digest_of_file(file)
    manifest = _manifest(key, entries, path.stat().st_size, digest, identity)
    return _describe_stored(store, manifest, store.upload(key, path))


def _describe_stored(store: Store, manifest: Manifest, uploaded: str) -> Manifest:
    """Write the manifest of an uploaded object; if another writer's bytes replaced ours, write one that fits them.

    Each writer looks at the bytes after it has written its manifest, so that the last manifest fits the last bytes. The
    mark of the upload, where that is known, shows that they are still its own.
    """
    for _ in range(_TRIES):
        mark = write_manifest(store, manifest)
        stored = store.stat(manifest.key)
        if not verifies_contents() or (uploaded and stored.mark == uploaded):
            digest, size = manifest.sha256, stored.size
        else:
            with store.open(manifest.key) as file:
                digest, size = digest_of_file(file), file.tell()
        if (digest, size) == (manifest.sha256, manifest.bytes):
            note_commit(store, manifest, mark)
            return manifest
        log.warning("%s: another run wrote it at the same time; its bytes stay", store.address(manifest.key))
        manifest, uploaded = replace(manifest, sha256=digest, bytes=size), ""
    raise damaged(store.address(manifest.key), "other runs keep writing it")


def read_blob(store: Store, key: str) -> bytes:
    """Return a blob's bytes, verified against its manifest.

    Args:
        store: the store that holds the object.
        key: the object's key.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: its manifest cannot be read.
        ObjectDamaged: the object differs from its manifest; its commit is taken back.
    """
    return read_or_uncommit(store, key, lambda: read_sound(store, _sound_manifest(store, key)))


def read_blob_as_file(store: Store, key: str, read: Callable[[BinaryIO], R]) -> R:
    """Return the result of reading a blob as a file, verified against its manifest.

    A local blob is hashed once in a process while it does not change, and is never whole in memory.

    Args:
        store: the store that holds the object.
        key: the object's key.
        read: called with the open file, perhaps more than once.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: its manifest cannot be read.
        ObjectDamaged: the object differs from its manifest; its commit is taken back.
    """

    def opened() -> R:
        with open_sound(store, _sound_manifest(store, key)) as file:
            return read(file)

    return read_or_uncommit(store, key, opened)


def _sound_manifest(store: Store, key: str) -> Manifest:
    manifest, kind = read_manifest(store, key), key.partition("/")[0]
    wanted, got = f"{kind} version {current_version(kind)}", f"{manifest.table} version {manifest.version}"
    if wanted != got:
        raise damaged(store.address(key), f"wanted {wanted}, got {got}")
    return manifest


def _manifest(key: str, entries: int, size: int, digest: str, identity: Mapping[str, Any]) -> Manifest:
    kind = key.partition("/")[0]
    version = current_version(kind)
    if not version:
        raise KeyError(f"{key}: wanted a key below heads or made-models, got one below {kind}")
    return Manifest(
        key=key,
        table=kind,
        version=version,
        rows=entries,
        bytes=size,
        sha256=digest,
        identity=identity,
        created_at=now(),
        run=None,
    )
