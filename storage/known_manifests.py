"""Manifests that this process knows, and those that a run on S3 leaves for later processes in one object.

A known manifest stands for the stored one as long as the mark of the stored one does not change. On S3 each manifest
costs a request; a run therefore leaves the essential part of all of its manifests together. The object that holds them
is derived from the manifests: without it, or with a damaged or outdated one, a later process reads them one by one.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict

from storage.errors import ObjectMissing, StorageError
from storage.identity import digest_of
from storage.manifests import Manifest
from storage.store import Store
from storage.verification import note_verified, verified_mark

log = logging.getLogger("dawin.storage")

_REMEMBERED = 1 << 17  # manifests, of 1 to 2 kB each
_UNNEEDED = ("key", "identity", "created_at", "run", "measured")  # to tell whether an object is sound

_manifests: dict[tuple[str, str], tuple[str, Manifest, bool]] = {}
"""By store and key: the manifest's mark at the time of reading, the manifest, and whether it is complete."""
_left: dict[tuple[str, str], str] = {}
"""By store and key of an object with many manifests: the digest of its content."""


def known_manifest(store: Store, key: str, mark: str, *, in_full: bool) -> Manifest | None:
    """Return an object's manifest if this process knows the one that the store holds now, else None.

    Args:
        store: the store that holds the object.
        key: the object's key.
        mark: of the stored manifest, from a listing; an empty one fits nothing.
        in_full: whether the identity and the times are needed too.
    """
    found = _manifests.get((store.url, key))
    if found is None or not mark or found[0] != mark or (in_full and not found[2]):
        return None
    return found[1]


def note_manifest(store: Store, manifest: Manifest, mark: str, *, in_full: bool = True) -> None:
    """Remember a manifest that was read or written.

    Args:
        store: the store that holds the object.
        manifest: the manifest.
        mark: of the stored manifest.
        in_full: whether the manifest is complete.
    """
    if len(_manifests) >= _REMEMBERED:
        _manifests.clear()
    _manifests[store.url, manifest.key] = mark, manifest, in_full


def leave_manifests(store: Store, where: str, objects: Iterable[str]) -> None:
    """Write the essential part of the known manifests of objects on S3, unless the store holds it already.

    Args:
        store: the store that holds the objects; on other back ends, nothing is written.
        where: key of the object to write.
        objects: keys of committed objects; those whose manifest this process does not know are left out.
    """
    if store.scheme != "s3":
        return
    content = {}
    for key in sorted(objects):
        if found := _manifests.get((store.url, key)):
            mark, manifest, _ = found
            fields = {name: value for name, value in asdict(manifest).items() if name not in _UNNEEDED}
            content[key] = [mark, verified_mark(store, manifest), fields]
    digest = digest_of(content)
    if content and _left.get((store.url, where)) != digest:
        store.replace(where, json.dumps({"digest": digest, "manifests": content}).encode())
        _left[store.url, where] = digest


def recall_manifests(store: Store, where: str) -> None:
    """Remember the manifests that an earlier process left, as far as this process does not know them itself.

    Args:
        store: the store that holds the objects.
        where: key of the object that holds them; without one nothing happens.
    """
    if store.scheme != "s3" or (store.url, where) in _left:
        return
    try:
        found = json.loads(store.read(where))
        content, digest = found["manifests"], found["digest"]
        if digest_of(content) != digest:
            raise ValueError("another digest")
        for key, (mark, verified, fields) in content.items():
            manifest = Manifest(key=key, identity={}, created_at="", run=None, measured={}, **fields)
            if (store.url, key) not in _manifests:
                note_manifest(store, manifest, mark, in_full=False)
                note_verified(store, manifest, verified)
        _left[store.url, where] = digest
    except ObjectMissing:
        return
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("%s: damaged, reading each manifest (%s)", store.address(where), error)
    except StorageError as error:
        log.warning("%s: not read (%s)", store.address(where), error)


def forget_manifests() -> None:
    """Forget all manifests, as a new process does not know them."""
    _manifests.clear()
    _left.clear()
