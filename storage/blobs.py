"""Objects that are no tables: classification heads and made models, committed with a manifest and read against it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.commits import commit, read_or_uncommit
from storage.errors import damaged
from storage.identity import digest_of_file
from storage.manifests import Manifest, now, read_manifest, uncommit, write_manifest
from storage.soundness import VERSIONS, note_commit
from storage.store import Store
from storage.verification import read_sound


def commit_bytes(store: Store, key: str, content: bytes, *, entries: int, identity: Mapping[str, Any]) -> Manifest:
    """Commit an object that is in memory.

    Args:
        store: gets the object.
        key: where; its first folder says what kind of object it is.
        content: all of it.
        entries: how many tensors it holds.
        identity: everything that the content depends on.
    """
    digest = hashlib.sha256(content).hexdigest()
    manifest = _manifest(key, entries, len(content), digest, identity)
    # bytes alone do not say whether they are whole: what another run left without a manifest is written over
    return commit(store, manifest, content, lambda _: f"wanted SHA-256 {digest[:12]}…, got other bytes")


def commit_file(store: Store, key: str, path: Path, *, entries: int, identity: Mapping[str, Any]) -> Manifest:
    """Move a file of this machine into the store and commit it, over whatever was there; see `commit_bytes`."""
    with path.open("rb") as file:
        digest = digest_of_file(file)
    manifest = _manifest(key, entries, path.stat().st_size, digest, identity)
    uncommit(store, key)  # first: a manifest must never describe other bytes
    store.upload(key, path)
    write_manifest(store, manifest)
    note_commit(store, manifest)
    return manifest


def read_blob(store: Store, key: str) -> bytes:
    """Return an object's bytes.

    Raises:
        ObjectMissing: it is not committed.
        ObjectDamaged: it is not what its manifest says; its commit is taken back.
    """
    return read_or_uncommit(store, key, lambda: _read(store, key))


def _read(store: Store, key: str) -> bytes:
    manifest, kind = read_manifest(store, key), key.partition("/")[0]
    wanted, got = f"{kind} version {VERSIONS[kind]}", f"{manifest.table} version {manifest.version}"
    if wanted != got:
        raise damaged(store.address(key), f"wanted {wanted}, got {got}")
    return read_sound(store, manifest)


def _manifest(key: str, entries: int, size: int, digest: str, identity: Mapping[str, Any]) -> Manifest:
    kind = key.partition("/")[0]
    return Manifest(
        key=key,
        table=kind,
        version=VERSIONS[kind],
        rows=entries,
        bytes=size,
        sha256=digest,
        identity=identity,
        created_at=now(),
        run=None,
    )
