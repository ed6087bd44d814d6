"""Manifests: the record beside an object that says it is complete; written last, and the one thing readers trust."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing, StoreDenied
from storage.store import Store


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of one committed object."""

    key: str
    table: str
    version: int
    """Of the table's schema."""
    rows: int
    bytes: int
    sha256: str
    identity: Mapping[str, Any]
    """Everything that the content depends on; its digest is in the key."""
    created_at: str
    """UTC, ISO 8601."""
    run: str | None
    """The Prefect flow run that wrote it, when there was one."""


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "key": str,
    "table": str,
    "version": int,
    "rows": int,
    "bytes": int,
    "sha256": str,
    "identity": dict,
    "created_at": str,
    "run": (str, type(None)),
}


def now() -> str:
    """Return the present time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Commit an object. Two writers of the same object write the same manifest but for the time: either may stay."""
    store.replace(keys.manifest(manifest.key), manifest_content(manifest))


def manifest_content(manifest: Manifest) -> bytes:
    """Return the JSON of a manifest."""
    return json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()


def read_manifest(store: Store, key: str) -> Manifest:
    """Return the manifest of an object.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: the manifest cannot be read, or is another object's.
    """
    try:
        content = store.read(keys.manifest(key))
    except ObjectMissing as error:
        raise ObjectMissing(f"{store.address(key)}: not committed (no manifest)") from error
    return parse_manifest(store, key, content)


def parse_manifest(store: Store, key: str, content: bytes) -> Manifest:
    """Return the manifest of an object from its JSON; fields that only a later version knows are left out."""
    where = store.address(keys.manifest(key))
    try:
        found = json.loads(content)
        if not isinstance(found, dict):
            raise TypeError(f"wanted a mapping, got {type(found).__name__}")
        manifest = Manifest(**{f.name: _checked(found, f.name) for f in fields(Manifest)})
    except (ValueError, TypeError, RecursionError) as error:  # what is no UTF-8 is a ValueError too
        raise ManifestInvalid(f"{where}: not a manifest ({error}); `dawin run EXPERIMENT` writes it again") from error
    if manifest.key != key:
        raise ManifestInvalid(f"{where}: not its manifest (of {manifest.key}); `dawin run EXPERIMENT` writes it again")
    return manifest


def _checked(found: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  of the kind that the field has
    value = found.get(name)
    if not isinstance(value, _KINDS[name]) or isinstance(value, bool):
        raise TypeError(f"{name}: got {value!r}" if name in found else f"{name}: missing")
    return value


def uncommit(store: Store, key: str) -> None:
    """Take back the commit of a damaged object, so that the next run computes it again.

    Only the manifest goes. Where another run has written the object anew meanwhile, its bytes stay, and the next
    writer adopts them once they are found sound: nothing that is good is lost.
    """
    with suppress(ObjectMissing, StoreDenied):  # another run was first; or nobody here may write, and says so elsewhere
        store.delete(keys.manifest(key))


def committed(store: Store, prefix: str) -> Iterator[str]:
    """Yield the keys below a prefix whose manifests exist, sorted; `states` says whether the objects are sound."""
    for key in store.keys(prefix):
        if key.endswith(keys.MANIFEST_SUFFIX):
            yield key.removesuffix(keys.MANIFEST_SUFFIX)
