"""A look at one committed object: whether it fits its manifest, and this version of the program."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from storage import keys
from storage.errors import (
    ManifestInvalid,
    ObjectDamaged,
    ObjectMissing,
    SchemaMismatch,
    StorageError,
    damaged,
    outdated,
)
from storage.manifests import Manifest, read_manifest
from storage.schemas import TABLES
from storage.store import Store
from storage.stored import Stored
from storage.table_checks import UNREADABLE, raise_unless_damage
from storage.verification import check_stored

_BLOB_VERSIONS: Mapping[str, int] = {"heads": 1, "made-models": 1}
_LOOKS = 20  # at an object that another process keeps replacing


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


def look_at(store: Store, manifest: Manifest, stored: Stored | None, contents: bool) -> Manifest | StorageError:
    """Return the manifest of the content that an object has, or the object's fault.

    Another process may be replacing the object: damage counts if the manifest is the same before and after the look.

    Args:
        store: the store that holds the object.
        manifest: the object's manifest.
        stored: the object's size and mark from a listing; None: it is asked for.
        contents: whether to compare the SHA-256 too.
    """
    found = _look(store, manifest, stored, contents)
    for _ in range(_LOOKS):
        if not isinstance(found, ObjectDamaged):
            break
        try:
            store.forget(keys.manifest(manifest.key))
            before = read_manifest(store, manifest.key)
            found = _look(store, before, None, contents)
            store.forget(keys.manifest(manifest.key))
            if isinstance(found, ObjectDamaged) and read_manifest(store, manifest.key) == before:
                break
        except (ObjectMissing, ManifestInvalid):
            break
    return found


def _look(store: Store, manifest: Manifest, stored: Stored | None, contents: bool) -> Manifest | StorageError:
    address, kind = store.address(manifest.key), manifest.key.partition("/")[0]
    version = current_version(kind)
    wanted, got = f"{kind} version {version}", f"{manifest.table} version {manifest.version}"
    stored = stored or _stat_or_none(store, manifest.key)  # a listing of several pages can miss a new object
    if stored is None:
        return damaged(address, f"wanted {manifest.bytes:,} bytes, got no object")
    is_newer = manifest.table == kind and manifest.version > version
    if is_newer and _version_inside(store, manifest.key) == str(manifest.version):
        return SchemaMismatch(
            f"{address}: wanted table {wanted}, got {got} from a newer dawin; update dawin, or name another store"
        )
    try:
        found = check_stored(store, manifest, stored, contents=contents)
    except ObjectDamaged as error:
        return error
    if manifest.table == kind and manifest.version < version:
        return outdated(address, kind, manifest.version, version)
    return damaged(address, f"wanted table {wanted}, got {got}") if wanted != got else found


def _stat_or_none(store: Store, key: str) -> Stored | None:
    try:
        return store.stat(key)
    except ObjectMissing:
        return None


def _version_inside(store: Store, key: str) -> str | None:
    """Return the table version in a Parquet object's own metadata; None if that cannot be read."""
    try:
        with store.open(key) as file:
            metadata = pq.read_schema(file).metadata or {}
    except ObjectMissing:
        return None
    except UNREADABLE as error:
        raise_unless_damage(error)
        return None
    return str(metadata.get(b"dawin.version", b"").decode(errors="replace"))
