"""Whether committed objects are what their manifests say: `states` decides it, for plans, runs and readers alike.

A listing shows at once which objects are gone and which have another size than their manifests say. A local store's
objects are held against their SHA-256 too, once a process. On S3, which checks its own disks, that is left to readers,
which get the whole object anyway.
"""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

from storage import keys
from storage.errors import ManifestInvalid, ObjectDamaged, ObjectMissing, SchemaMismatch, StorageError, damaged
from storage.manifests import Manifest, manifest_content, read_manifest
from storage.schemas import TABLES
from storage.spans import Span
from storage.store import Store, Stored
from storage.table_checks import UNREADABLE, raise_unless_damage
from storage.verification import check_stored, remember_written

log = logging.getLogger("dawin.storage")

_BLOB_VERSIONS: Mapping[str, int] = {"heads": 1, "made-models": 1}

_AT_ONCE = 16  # manifests that are read at the same time: each is a request on S3
_REMEMBERED = 1 << 16  # manifests, of 1 to 2 kB each

_manifests: dict[tuple[str, str], tuple[str, Manifest]] = {}
"""By store and key: the manifest's mark when it was read, and the manifest."""
_reported: set[str] = set()


Listing = Mapping[str, Stored]


def current_version(kind: str) -> int:
    """Return the version in which this program writes a kind of object.

    Args:
        kind: the first folder of the object's key: a table's name, `heads` or `made-models`.

    Returns:
        The version that the table's schema has now; 0 for a kind that this program does not know.

    Example:
        >>> current_version("heads"), current_version("notes")
        (1, 0)
    """
    table = TABLES.get(kind)
    return table.version if table else _BLOB_VERSIONS.get(kind, 0)


def states(
    store: Store,
    prefix: str,
    *,
    contents: bool | None = None,
    only: Collection[str] | None = None,
    there: Listing | None = None,
) -> dict[str, StorageError | None]:
    """Return what is wrong with each object below a prefix that has a manifest; None: it is sound.

    Costs one listing, and one read of each manifest that this process has neither read nor written.

    Args:
        store: where the objects are.
        prefix: a folder of it.
        contents: whether the SHA-256 is compared too; by default in all stores but those on S3.
        only: these keys alone.
        there: a listing that holds them, where the caller has one.

    Returns:
        By key, sorted. `ObjectDamaged` and `ManifestInvalid` are mended by computing the object again;
        `SchemaMismatch` says that a newer version of this program wrote it.
    """
    there = store.listing(prefix) if there is None else there
    if only is None:
        only = [key.removesuffix(keys.MANIFEST_SUFFIX) for key in there if key.endswith(keys.MANIFEST_SUFFIX)]
    marks = {key: there[keys.manifest(key)].mark for key in only if keys.manifest(key) in there}
    contents = store.scheme != "s3" if contents is None else contents
    return {
        key: manifest if isinstance(manifest, StorageError) else _fault(store, manifest, there.get(key), contents)
        for key, manifest in _read_all(store, marks).items()
    }


def is_committed(store: Store, key: str, *, contents: bool | None = None) -> bool:
    """Tell whether an object is complete and sound; see `states`."""
    found = states(store, key.rpartition("/")[0], contents=contents, only=(key,))
    return key in found and not counts_as_missing(found[key])


def missing_spans(store: Store, prefix: str, spans: Sequence[Span], *, there: Listing | None = None) -> list[Span]:
    """Return those of the spans below a prefix that are not committed or not sound, in order.

    Raises:
        SchemaMismatch: a newer version of this program wrote one of them.
    """
    wanted = {keys.samples(prefix, span): span for span in spans}
    found = states(store, prefix, only=wanted.keys(), there=there)
    return [wanted[key] for key in wanted if key not in found or counts_as_missing(found[key])]


def counts_as_missing(error: StorageError | None) -> bool:
    """Tell whether an object is to be computed again, and log why, once; raise an error that this does not mend."""
    if error is None:
        return False
    if isinstance(error, SchemaMismatch):
        raise error
    if str(error) not in _reported:
        _reported.add(str(error))
        log.warning("%s", error)
    return True


def report_again() -> None:
    """Have damage logged that was logged before: each run says in its own log what it computes again."""
    _reported.clear()


def note_commit(store: Store, manifest: Manifest) -> None:
    """Record what this process has just committed, so that nothing of it is read back."""
    remember_written(store, manifest)
    if store.scheme == "s3":  # where an ETag is no MD5, the manifest is read once
        mark = f'"{hashlib.md5(manifest_content(manifest), usedforsecurity=False).hexdigest()}"'
        _remember(store, manifest, mark)


def _read_all(store: Store, marks: Mapping[str, str]) -> dict[str, Manifest | StorageError]:
    """Return manifests by key, or what is wrong with them; those that vanish meanwhile are left out."""
    known = {key: _manifests[store.url, key] for key in marks if (store.url, key) in _manifests}
    found: dict[str, Manifest | StorageError | None] = {
        key: manifest for key, (mark, manifest) in known.items() if mark and mark == marks[key]
    }
    unread = [key for key in marks if key not in found]
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
    _remember(store, manifest, mark)
    return manifest


def _remember(store: Store, manifest: Manifest, mark: str) -> None:
    if len(_manifests) >= _REMEMBERED:
        _manifests.clear()
    _manifests[store.url, manifest.key] = mark, manifest


def _fault(store: Store, manifest: Manifest, stored: Stored | None, contents: bool) -> StorageError | None:
    address, kind = store.address(manifest.key), manifest.key.partition("/")[0]
    version = current_version(kind)
    wanted, got = f"{kind} version {version}", f"{manifest.table} version {manifest.version}"
    stored = stored or _stat_or_none(store, manifest.key)  # a listing of several pages misses a new object
    if stored is None:
        return damaged(address, f"wanted {manifest.bytes:,} bytes, got no object")
    is_newer = manifest.table == kind and manifest.version > version
    if is_newer and _version_inside(store, manifest.key) == str(manifest.version):
        return SchemaMismatch(
            f"{address}: wanted table {wanted}, got {got}, of a newer dawin: update it, or name another store"
        )
    try:
        check_stored(store, manifest, stored, contents=contents)
    except ObjectDamaged as error:
        return error
    return damaged(address, f"wanted table {wanted}, got {got}") if wanted != got else None


def _stat_or_none(store: Store, key: str) -> Stored | None:
    try:
        return store.stat(key)
    except ObjectMissing:
        return None


def _version_inside(store: Store, key: str) -> str | None:
    """Return the version of its table that a Parquet object itself holds, where it can be read."""
    try:
        with store.open(key) as file:
            metadata = pq.read_schema(file).metadata or {}
    except ObjectMissing:
        return None
    except UNREADABLE as error:
        raise_unless_damage(error)
        return None
    return str(metadata.get(b"dawin.version", b"").decode(errors="replace"))
