"""The faults of one committed object: its bytes against the manifest, and the manifest against what the bytes hold.

An object is read once, in pieces. Another process may be replacing it meanwhile, so a fault counts only if neither the
manifest nor the object has changed from the beginning to the end of a look.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing, SchemaMismatch, StoreDenied, first_line
from storage.filesystem import readable_errors
from storage.identity import canonical_json
from storage.inspection import current_version
from storage.manifests import Manifest, parse_manifest
from storage.schemas import OUTPUTS, TABLES
from storage.store import Store
from storage.stored import Stored
from storage.table_checks import IDENTITY, INDEX, UNREADABLE, raise_unless_damage

_PIECE = 16 << 20  # bytes; on S3 one request each, for objects that are larger
_LOOKS = 10  # at an object that other processes keep replacing


class Fault(NamedTuple):
    """Something in a store that is not as it has to be."""

    key: str
    """The object, or the folder."""
    kind: str
    """One of `flows.upkeep.verify.KINDS`."""
    reason: str
    """The wanted and the actual state, in words."""


class Checked(NamedTuple):
    """The outcome of the check of one object."""

    manifest: Manifest | None = None
    """None where the manifest cannot be read, or has been deleted meanwhile."""
    fault: Fault | None = None
    """None: the object is sound."""
    remark: str | None = None
    """The version of an object that another version of this program wrote."""


def check_object(store: Store, key: str, read: Callable[[int], None] = lambda size: None) -> Checked:
    """Return the manifest and the fault of a committed object.

    On S3 this takes two requests, and one more for each 16 MiB of an object that is larger than that.

    Args:
        store: the store that holds the object.
        key: the object's key.
        read: is called with the number of bytes of each piece that was read.

    Raises:
        StoreUnreachable: the store does not answer.
    """
    found = _look(store, key, read)
    for _ in range(_LOOKS):
        if found.fault is None:
            break
        before = state_of(store, key)
        found = _look(store, key, lambda size: None)
        if state_of(store, key) == before:
            break
    return found


def state_of(store: Store, key: str) -> tuple[bytes | None, Stored | None]:
    """Return the bytes of an object's manifest, and the object's size and mark, as they are now.

    Args:
        store: the store that holds the object.
        key: the object's key.
    """
    manifest = stored = None
    for one in (key, keys.manifest(key)):
        store.forget(one)
    with suppress(ObjectMissing, StoreDenied):
        manifest = store.read(keys.manifest(key))
    with suppress(ObjectMissing, StoreDenied):
        stored = store.stat(key)
    return manifest, stored


def _look(store: Store, key: str, read: Callable[[int], None]) -> Checked:
    try:
        manifest = parse_manifest(store, key, store.read(keys.manifest(key)))
    except ObjectMissing:  # deleted since it was listed
        return Checked()
    except ManifestInvalid as error:
        reason = str(error).removeprefix(f"{store.address(keys.manifest(key))}: ").partition("; `dawin")[0]
        return Checked(fault=Fault(key, "manifest", reason))
    except StoreDenied as error:
        return Checked(fault=Fault(key, "unreadable", str(error)))
    try:
        with readable_errors(store.address(key)), _opened(store, manifest) as file:
            kind, reason = _content_fault(file, manifest, read) or ("", "")
            remark = None if kind else _remark(manifest)
    except ObjectMissing:
        kind, reason, remark = "missing", f"wanted {manifest.bytes:,} bytes, got no object", None
    except StoreDenied as error:
        kind, reason, remark = "unreadable", str(error), None
    return Checked(manifest, Fault(key, kind, reason) if kind else None, remark)


def _opened(store: Store, manifest: Manifest) -> Any:  # noqa: ANN401  fsspec publishes no types
    if store.scheme != "s3":
        return store.open(manifest.key)
    if manifest.bytes <= _PIECE:
        store.forget(manifest.key)
        return BytesIO(store.read(manifest.key))
    return store.open_marked(manifest.key)[0]


def _content_fault(file: Any, manifest: Manifest, read: Callable[[int], None]) -> tuple[str, str] | None:  # noqa: ANN401
    """Return the kind of an object's fault and the reason."""
    size = file.seek(0, os.SEEK_END)
    fitting = [one for one in manifest.contents if one.bytes == size]
    if not fitting:
        return "size", f"wanted {manifest.bytes:,} bytes, got {size:,}"
    file.seek(0)
    hashed = hashlib.sha256()
    while piece := file.read(_PIECE):
        hashed.update(piece)
        read(len(piece))
    digest = hashed.hexdigest()
    if digest not in {one.sha256 for one in fitting}:
        return "content", f"wanted SHA-256 {fitting[0].sha256[:12]}…, got {digest[:12]}…"
    kind = manifest.key.partition("/")[0]
    if manifest.table != kind:
        return "footer", f"wanted a manifest of table {kind}, got one of {manifest.table}"
    file.seek(0)
    try:
        fault = _table_fault(file, manifest) if keys.is_table(manifest.key) else _blob_fault(file, manifest)
    except UNREADABLE as error:
        raise_unless_damage(error)
        fault = f"not readable as Parquet ({first_line(error)})"
    return ("footer", fault) if fault else None


def _table_fault(file: Any, manifest: Manifest) -> str | None:  # noqa: ANN401
    footer = pq.read_metadata(file)
    schema = footer.schema.to_arrow_schema()
    found = {name.decode(): value.decode(errors="replace") for name, value in (schema.metadata or {}).items()}
    wanted = f"table {manifest.table} version {manifest.version}"
    got = f"table {found.get('dawin.table')} version {found.get('dawin.version')}"
    if wanted != got:
        return f"wanted {wanted}, got {got}"
    if footer.num_rows != manifest.rows:
        return f"wanted {manifest.rows:,} rows, got {footer.num_rows:,}"
    if manifest.version != current_version(manifest.table):
        return None
    if found.pop(IDENTITY.decode(), None) != canonical_json(manifest.identity):
        return "wanted the identity in the manifest, got another one in the object"
    forms = [*OUTPUTS.values()] if manifest.table == "outputs" else [TABLES[manifest.table]]
    faults = []
    for form in forms:
        try:
            form.check(schema.with_metadata(found), "")
        except SchemaMismatch as error:
            faults.append(str(error).removeprefix(": "))
    if len(faults) == len(forms):
        return faults[0]
    return _span_fault(footer, manifest) if keys.is_samples(manifest.key) else None


def _span_fault(footer: pq.FileMetaData, manifest: Manifest) -> str | None:
    """Return the fault of the samples in an object: those of its key, by the statistics in the footer."""
    start, stop = keys.span_of(manifest.key)
    if stop - start != manifest.rows:
        return f"wanted samples {start:,} to {stop - 1:,}, got {manifest.rows:,} rows"
    names = footer.schema.to_arrow_schema().names
    if INDEX not in names or not footer.num_row_groups:
        return None
    place = names.index(INDEX)
    first, last = (footer.row_group(i).column(place).statistics for i in (0, footer.num_row_groups - 1))
    if not (first and last and first.has_min_max and last.has_min_max):
        return None
    if (first.min, last.max) != (start, stop - 1):
        return f"wanted samples {start:,} to {stop - 1:,}, got {first.min:,} to {last.max:,}"
    return None


def _blob_fault(file: Any, manifest: Manifest) -> str | None:  # noqa: ANN401
    """Return the fault of a safetensors object: its header has to name as many tensors as the manifest."""
    length = int.from_bytes(file.read(8), "little")
    if length > manifest.bytes:
        return "not readable as safetensors"
    try:
        header = json.loads(file.read(length))
        tensors = len(header.keys() - {"__metadata__"})
    except (ValueError, AttributeError, RecursionError) as error:
        return f"not readable as safetensors ({first_line(error)})"
    return None if tensors == manifest.rows else f"wanted {manifest.rows:,} tensors, got {tensors:,}"


def _remark(manifest: Manifest) -> str | None:
    version = current_version(manifest.table)
    if manifest.version == version:
        return None
    age = "an earlier" if manifest.version < version else "a newer"
    return f"{manifest.table} version {manifest.version} of {age} dawin, this one writes version {version}"
