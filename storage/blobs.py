"""Objects that are no tables: classification heads and made models, committed with a manifest and read against it."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage.commits import commit, read_or_uncommit
from storage.errors import damaged
from storage.identity import digest_of_file
from storage.manifests import Manifest, now, read_manifest, uncommit, write_manifest
from storage.soundness import counts_as_missing, current_version, note_commit, states
from storage.store import Store
from storage.verification import read_sound, verifies_contents

log = logging.getLogger("dawin.storage")

_TRIES = 20  # writes of a manifest; each other writer at the same moment costs one


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
    """Move a file of this machine into the store and commit it, unless a sound object is committed there.

    The file is gone afterwards. A sound object stays as it is: another run made it of the same identity, and a third
    one may be reading it. See `commit_bytes` for the arguments.
    """
    found = states(store, key.rpartition("/")[0], contents=True, only=(key,))
    if key in found:
        if not counts_as_missing(found[key]):
            path.unlink()
            return read_manifest(store, key)
        uncommit(store, key)  # first: a manifest must never describe other bytes
    with path.open("rb") as file:
        digest = digest_of_file(file)
    manifest = _manifest(key, entries, path.stat().st_size, digest, identity)
    store.upload(key, path)
    return _describe_stored(store, manifest)


def _describe_stored(store: Store, manifest: Manifest) -> Manifest:
    """Write the manifest of an uploaded object; another writer's bytes that replaced ours get a manifest of their own.

    Each writer looks at the bytes after it wrote its manifest, so that the last manifest describes the last bytes.
    """
    for _ in range(_TRIES):
        write_manifest(store, manifest)
        if not verifies_contents():
            digest, size = manifest.sha256, store.stat(manifest.key).size
        else:
            with store.open(manifest.key) as file:
                digest, size = digest_of_file(file), file.tell()
        if (digest, size) == (manifest.sha256, manifest.bytes):
            note_commit(store, manifest)
            return manifest
        log.warning("%s: another run wrote it at the same time; its bytes stay", store.address(manifest.key))
        manifest = replace(manifest, sha256=digest, bytes=size)
    raise damaged(store.address(manifest.key), "other runs write it time and again")


def read_blob(store: Store, key: str) -> bytes:
    """Return an object's bytes.

    Raises:
        ObjectMissing: it is not committed.
        ObjectDamaged: it is not what its manifest says; its commit is taken back.
    """
    return read_or_uncommit(store, key, lambda: _read(store, key))


def _read(store: Store, key: str) -> bytes:
    manifest, kind = read_manifest(store, key), key.partition("/")[0]
    wanted, got = f"{kind} version {current_version(kind)}", f"{manifest.table} version {manifest.version}"
    if wanted != got:
        raise damaged(store.address(key), f"wanted {wanted}, got {got}")
    return read_sound(store, manifest)


def _manifest(key: str, entries: int, size: int, digest: str, identity: Mapping[str, Any]) -> Manifest:
    kind = key.partition("/")[0]
    version = current_version(kind)
    if not version:
        raise KeyError(f"{key}: {kind!r} is no kind of object; wanted heads or made-models")
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
