"""Manifests: the record beside an object, written last, from which readers learn that the object is complete."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing, StoreDenied
from storage.store import Store


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The description of one committed object."""

    key: str
    table: str
    """The table's name, or the kind of a blob: the first folder of the key."""
    version: int
    """The version of the table's schema, or of the kind of blob."""
    rows: int
    """Rows of a table, or tensors of a blob."""
    bytes: int
    """The object's size."""
    sha256: str
    """The SHA-256 of the object's bytes, 64 hex digits."""
    identity: Mapping[str, Any]
    """Everything that the content depends on; the key holds its digest."""
    created_at: str
    """The time of the commit: UTC, ISO 8601, to the second."""
    run: str | None
    """The Prefect flow run that wrote the object; None outside a flow run."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """The computing of the object as its writer measured it, such as seconds; no part of its identity. Empty: none."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """The length of each column of vectors by its name; 0 for a column that the object is without, such as logits that
    were not kept. Empty for other tables and for blobs, and where the writer recorded none."""
    successors: Sequence[Mapping[str, Any]] = ()
    """Other contents that the object may have by now, because a process is replacing it, or was killed while it did:
    `bytes`, `sha256` and `widths` of each, with the process (`by`) and the time (`at`) of its entry."""

    @property
    def contents(self) -> tuple["Manifest", ...]:
        """A manifest for each content that the object may have: nearly always this one alone."""
        if not self.successors:
            return (self,)
        others = [{name: one[name] for name in _DESCRIBED} for one in self.successors]
        return tuple(replace(self, successors=(), **described) for described in ({}, *others))

    @property
    def left_out(self) -> tuple[str, ...]:
        """The vectors that the object is without."""
        return tuple(name for name, width in self.widths.items() if not width)


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
    "measured": dict,
    "widths": dict,
    "successors": list,
}
_USUAL = {(str, str, int, int, int, str, dict, str, run, dict, dict, list) for run in (str, type(None))}
_DESCRIBED = ("bytes", "sha256", "widths")  # of each content that an object may have
_ABSENT: Mapping[str, Any] = {"measured": {}, "widths": {}, "successors": []}


_changes: Counter[str] = Counter()
"""By store: commits that this process has made or taken back."""


def changes(store: Store) -> int:
    """Return how many commits this process has made or taken back in a store, so that a former look shows its age."""
    return _changes[store.url]


def now() -> str:
    """Return the present time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_manifest(store: Store, manifest: Manifest, *, is_new: bool = False, expected: str = "") -> str:
    """Write a manifest beside its object, which commits the object, and return the manifest's mark.

    Two writers of the same object write manifests that differ in times alone, so either may stay.

    Args:
        store: the store that holds the object.
        manifest: describes the object, which is written already.
        is_new: whether to refuse where the object has a manifest already.
        expected: the mark that the manifest in the store must have; empty: any, or none.

    Raises:
        ObjectExists: the object has a manifest and this one was to be new.
        ObjectChanged: another process has written the manifest since it had the expected mark.
    """
    where, content = keys.manifest(manifest.key), manifest_content(manifest)
    mark = store.create(where, content) if is_new else store.replace(where, content, expected=expected)
    _changes[store.url] += 1
    return mark


def manifest_content(manifest: Manifest) -> bytes:
    """Return the JSON of a manifest."""
    return json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()


def read_manifest(store: Store, key: str) -> Manifest:
    """Return the manifest of an object.

    Args:
        store: the store that holds the object.
        key: the object's key, not the manifest's.

    Raises:
        ObjectMissing: the object is not committed.
        ManifestInvalid: the manifest cannot be read, or describes another object.
    """
    try:
        content = store.read(keys.manifest(key))
    except ObjectMissing as error:
        raise ObjectMissing(f"{store.address(key)}: not committed (no manifest)") from error
    return parse_manifest(store, key, content)


def parse_manifest(store: Store, key: str, content: bytes) -> Manifest:
    """Return the manifest of an object from its JSON.

    Fields of a later version are ignored; `measured` and `widths` may be absent.

    Args:
        store: the store that holds the object.
        key: the object's key.
        content: the manifest's bytes.

    Raises:
        ManifestInvalid: the bytes are not a manifest, or the manifest describes another object.
    """
    where = store.address(keys.manifest(key))
    try:
        found = json.loads(content.decode())
        if not isinstance(found, dict):
            raise TypeError(f"wanted a mapping, got {type(found).__name__}")
        manifest = Manifest(**_fields(found))
    except (ValueError, TypeError, RecursionError) as error:  # invalid UTF-8 is a ValueError
        raise ManifestInvalid(f"{where}: not a manifest ({error}); `dawin run EXPERIMENT` writes it again") from error
    if manifest.key != key:
        raise ManifestInvalid(f"{where}: wanted key {key}, got {manifest.key}; `dawin run EXPERIMENT` writes it again")
    return manifest


def _fields(found: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = dict(zip(_KINDS, map(found.get, _KINDS), strict=True))
    # quick where nothing is wrong: a store holds many manifests
    if tuple(map(type, values.values())) not in _USUAL or not set(map(type, values["widths"].values())) <= {int}:
        values = {name: _checked(found, name) for name in _KINDS}
    for one in values["successors"]:
        kinds = [type(one.get(name)) for name in _DESCRIBED] if isinstance(one, dict) else []
        if kinds != [int, str, dict]:
            raise TypeError(f"successors: got {one!r}")
    return {**values, "successors": tuple(values["successors"])}


def _checked(found: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  the type is the field's
    value = found.get(name, _ABSENT.get(name))
    if not isinstance(value, _KINDS[name]) or value is True or value is False:
        raise TypeError(f"{name}: got {value!r}" if name in found else f"{name}: missing")
    if name == "widths" and isinstance(value, dict) and any(type(width) is not int for width in value.values()):
        raise TypeError(f"{name}: got {value!r}")
    return value


def uncommit(store: Store, key: str) -> None:
    """Take back the commit of a damaged object, so that the next run computes the object again.

    Only the manifest is deleted. If another run has written a sound object meanwhile, its bytes stay, and the next
    writer adopts them.

    Args:
        store: the store that holds the object.
        key: the object's key.
    """
    with suppress(ObjectMissing, StoreDenied):  # another run was first; or this user may only read
        store.delete(keys.manifest(key))
    _changes[store.url] += 1


def committed(store: Store, prefix: str) -> Iterator[str]:
    """Yield the keys below a prefix that have a manifest, sorted; `states` tells whether the objects are sound.

    Args:
        store: the store that holds the objects.
        prefix: a folder of the store.
    """
    for key in store.keys(prefix):
        if key.endswith(keys.MANIFEST_SUFFIX):
            yield key.removesuffix(keys.MANIFEST_SUFFIX)
