"""Manifests: the record beside an object that says it is complete; written last, and the one thing readers trust."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing
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


def now() -> str:
    """Return the present time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_manifest(store: Store, manifest: Manifest) -> None:
    """Commit an object. Two writers of the same object write the same manifest but for the time: either may stay."""
    store.replace(keys.manifest(manifest.key), json.dumps(asdict(manifest), indent=1, sort_keys=True).encode())


def read_manifest(store: Store, key: str) -> Manifest:
    """Return the manifest of an object; `ObjectMissing` when it is not committed."""
    try:
        content = store.read(keys.manifest(key))
    except ObjectMissing as error:
        raise ObjectMissing(f"{store.address(key)}: not committed (no manifest)") from error
    try:
        return Manifest(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise ManifestInvalid(f"{store.address(keys.manifest(key))}: not a manifest ({error})") from error


def committed(store: Store, prefix: str) -> Iterator[str]:
    """Yield the keys below a prefix whose manifests exist, sorted."""
    for key in store.keys(prefix):
        if key.endswith(keys.MANIFEST_SUFFIX):
            yield key.removesuffix(keys.MANIFEST_SUFFIX)


def is_committed(store: Store, key: str) -> bool:
    """Tell whether an object is complete."""
    return store.exists(keys.manifest(key))


def missing_ranges(store: Store, prefix: str, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the sample ranges below a prefix that are not committed, in order."""
    present = {keys.samples_range(key) for key in committed(store, prefix)}
    return [span for span in ranges if span not in present]
