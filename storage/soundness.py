"""Soundness: whether each committed object fits its manifest. Plans, runs and readers all ask `states`.

A listing shows which objects have vanished or changed in size. In a local store, each process also compares an
object's SHA-256 once. S3 checks its own disks; there, the comparison is left to readers, which get the whole object
anyway.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from storage import keys
from storage.errors import (
    ManifestInvalid,
    ObjectMissing,
    SchemaMismatch,
    StorageError,
)
from storage.inspection import look_at
from storage.known_manifests import known_manifest, note_manifest
from storage.manifests import Manifest, read_manifest
from storage.spans import Span
from storage.store import Store
from storage.stored import Stored
from storage.verification import remember_written

log = logging.getLogger("dawin.storage")

_AT_ONCE = 16  # manifests read at the same time; each is one request to S3

_reported: set[str] = set()

Listing = Mapping[str, Stored]
"""The result of `Store.listing`."""


def states(
    store: Store,
    prefix: str,
    *,
    contents: bool | None = None,
    only: Collection[str] | None = None,
    listing: Listing | None = None,
) -> dict[str, StorageError | None]:
    """Return the fault of each committed object below a prefix; the fault of a sound object is None.

    This costs one listing, and one read of each manifest that this process has neither read nor written.

    Args:
        store: the store that holds the objects.
        prefix: a folder of the store.
        contents: whether to compare the SHA-256 too; by default in all stores but those on S3.
        only: keys to restrict the answer to.
        listing: a listing of the prefix, if the caller has one already; with `only` it may hold other objects too.

    Returns:
        By key, sorted. An object without a manifest is left out. Computing the object again repairs `ObjectDamaged`,
        `ManifestInvalid` and `ObjectOutdated`, which a sound object of an earlier version of this program has;
        `SchemaMismatch` means that a newer version wrote the object.
    """
    found = inspected(store, prefix, contents=contents, only=only, listing=listing, in_full=False)
    return {key: one if isinstance(one, StorageError) else None for key, one in found.items()}


def inspected(
    store: Store,
    prefix: str,
    *,
    contents: bool | None = None,
    only: Collection[str] | None = None,
    listing: Listing | None = None,
    in_full: bool = True,
) -> dict[str, Manifest | StorageError]:
    """Return the manifest of each sound object below a prefix, and the fault of each other committed object.

    Args:
        store: the store that holds the objects.
        prefix: a folder of the store.
        contents: as for `states`.
        only: keys to restrict the answer to.
        listing: as for `states`.
        in_full: whether the identities and times of the manifests are needed.

    Returns:
        By key, as for `states`.
    """
    listing = store.listing(prefix) if listing is None else listing
    if only is None:
        only = [key.removesuffix(keys.MANIFEST_SUFFIX) for key in listing if key.endswith(keys.MANIFEST_SUFFIX)]
    marks = {key: listing[keys.manifest(key)].mark for key in only if keys.manifest(key) in listing}
    contents = store.scheme != "s3" if contents is None else contents
    return {
        key: one if isinstance(one, StorageError) else look_at(store, one, listing.get(key), contents)
        for key, one in _read_all(store, marks, in_full=in_full).items()
    }


def manifests(store: Store, prefix: str) -> dict[str, Manifest]:
    """Return the manifests of the committed objects below a prefix; those that cannot be read are left out.

    This costs one listing, and one read of each manifest that this process has neither read nor written.

    Args:
        store: the store that holds the objects.
        prefix: a folder of the store.

    Returns:
        By key, sorted.
    """
    listing = store.listing(prefix)
    marks = {key: listing[keys.manifest(key)].mark for key in listing if keys.manifest(key) in listing}
    found = _read_all(store, marks, in_full=True)
    return {key: manifest for key, manifest in found.items() if isinstance(manifest, Manifest)}


def is_committed(store: Store, key: str, *, contents: bool | None = None) -> bool:
    """Return whether an object is committed and sound.

    Args:
        store: the store that holds the object.
        key: the object's key.
        contents: whether to compare the SHA-256 too; by default in all stores but those on S3.

    Raises:
        SchemaMismatch: a newer version of this program wrote the object.
    """
    found = states(store, key.rpartition("/")[0], contents=contents, only=(key,))
    return key in found and not counts_as_missing(found[key])


def missing_spans(
    store: Store,
    prefix: str,
    spans: Sequence[Span],
    *,
    listing: Listing | None = None,
    vectors: Collection[Span] = (),
) -> list[Span]:
    """Return the spans of a table whose objects are not committed or not sound, or are without vectors.

    Args:
        store: the store that holds the table.
        prefix: of the table, on one data set.
        spans: all spans of the data set.
        listing: a listing of the prefix, if the caller has one already.
        vectors: the spans whose objects must have all their vectors, such as logits.

    Returns:
        Some of `spans`, in their order.

    Raises:
        SchemaMismatch: a newer version of this program wrote one of the objects.
    """
    wanted = {keys.samples(prefix, span): span for span in spans}
    found = inspected(store, prefix, only=wanted.keys(), listing=listing, in_full=False)
    return [span for key, span in wanted.items() if key not in found or _is_missing(found[key], span in vectors)]


def _is_missing(found: Manifest | StorageError, with_vectors: bool) -> bool:
    if isinstance(found, StorageError):
        return counts_as_missing(found)
    return with_vectors and bool(found.left_out)


def counts_as_missing(error: StorageError | None) -> bool:
    """Return whether an object has to be computed again because of its fault, and log each fault once.

    Args:
        error: the object's fault, from `states`; None: it is sound.

    Raises:
        SchemaMismatch: a newer version of this program wrote the object, so computing it again repairs nothing.
    """
    if error is None:
        return False
    if isinstance(error, SchemaMismatch):
        raise error
    if str(error) not in _reported:
        _reported.add(str(error))
        log.warning("%s", error)
    return True


def report_again() -> None:
    """Forget which faults were logged, so that each run logs the faults that it repairs."""
    _reported.clear()


def note_commit(store: Store, manifest: Manifest, mark: str = "") -> None:
    """Remember an object that this process has just committed, so that neither it nor its manifest is read back.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest, which is written already.
        mark: of the manifest in the store; empty: unknown.
    """
    remember_written(store, manifest)
    if mark:
        note_manifest(store, manifest, mark)


def _read_all(store: Store, marks: Mapping[str, str], *, in_full: bool) -> dict[str, Manifest | StorageError]:
    """Return each key's manifest, or the manifest's fault; a manifest that vanishes meanwhile is left out."""
    found: dict[str, Manifest | StorageError | None] = {
        key: known_manifest(store, key, mark, in_full=in_full) for key, mark in marks.items()
    }
    unread = [key for key, manifest in found.items() if manifest is None]
    if store.scheme == "s3" and len(unread) > 1:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="manifests") as pool:
            found.update(zip(unread, pool.map(lambda key: _read(store, key, marks[key]), unread), strict=True))
    else:
        found.update((key, _read(store, key, marks[key])) for key in unread)
    return {key: manifest for key in marks if (manifest := found[key]) is not None}


def _read(store: Store, key: str, mark: str) -> Manifest | StorageError | None:
    try:
        manifest = read_manifest(store, key)
    except ManifestInvalid as error:
        return error
    except ObjectMissing:
        return None
    note_manifest(store, manifest, mark)
    return manifest
