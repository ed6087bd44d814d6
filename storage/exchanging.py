"""Put another sound content in a committed object's place, such as outputs without logits in that of full ones.

At each moment the manifest describes the content that the object has, so that readers always get a verified object:

1. the manifest gets an entry for the new content, beside those that it describes already;
2. the object is replaced;
3. the manifest describes the new content first, and the former one no longer.

Each step can be the last one of a killed process. The next writer of the object carries on from there; until then,
readers accept either content. A manifest is written only if it has not changed since it was read. The entry of another
process stays until it is a day old, because that process may be about to replace the object.
"""

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from storage import keys
from storage.errors import ObjectChanged, ObjectDamaged, ObjectMissing
from storage.manifests import Manifest, now, parse_manifest, write_manifest
from storage.store import Store

_TRIES = 20  # of one step; each other writer at the same moment costs one
_LONGEST = timedelta(days=1)  # from the entry for a content to the writing of it: processes may be stopped meanwhile


def put_content(store: Store, key: str, content: bytes, widths: Mapping[str, int]) -> Manifest:
    """Replace a committed object's content and return its manifest at the end.

    Args:
        store: the store that holds the object.
        key: the object's key.
        content: sound bytes of the object: the same rows, with other vectors.
        widths: the length of each of their vectors; 0: they are without it.

    Raises:
        ObjectMissing: the object is not committed, or no longer.
        ManifestInvalid: its manifest cannot be read.
        ObjectDamaged: other processes keep writing the object.
    """
    entry = _entry(content, widths)
    _list(store, key, entry)
    store.replace(key, content)
    return _settle(store, key, entry)


def settle_content(store: Store, key: str, content: bytes, widths: Mapping[str, int]) -> Manifest:
    """Carry on from where another process was killed: have the manifest describe the content that the object has first.

    Args:
        store: the store that holds the object.
        key: the object's key.
        content: the object's bytes, which its manifest describes.
        widths: as `put_content`.

    Raises:
        ObjectMissing, ManifestInvalid, ObjectDamaged: as `put_content`.
    """
    return _settle(store, key, _entry(content, widths))


def _entry(content: bytes, widths: Mapping[str, int]) -> dict[str, Any]:
    return {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "widths": dict(widths),
        "by": uuid.uuid4().hex,
        "at": now(),
    }


def _list(store: Store, key: str, entry: Mapping[str, Any]) -> None:
    """Enter a content into the manifest, even if the manifest describes it: it then does so until this process ends."""
    for _ in range(_TRIES):
        manifest, mark = _read(store, key)
        with suppress(ObjectChanged):
            write_manifest(store, replace(manifest, successors=(*manifest.successors, entry)), expected=mark)
            return
    raise _busy(store, key)


def _settle(store: Store, key: str, entry: Mapping[str, Any]) -> Manifest:
    """Make the content that the object has the first one of the manifest, and remove this process's entry."""
    for _ in range(_TRIES):
        manifest, mark = _read(store, key)
        found = hashlib.sha256(store.read(key)).hexdigest()
        fitting = next((one for one in manifest.contents if one.sha256 == found), None)
        if fitting is None:  # another process has replaced the object since the manifest was read
            if found == entry["sha256"]:  # or it has deleted the manifest, and written one anew
                _list(store, key, entry)
            continue
        others = tuple(one for one in _recent(manifest) if one.get("by") != entry["by"])
        settled = replace(fitting, successors=others)
        if settled == manifest:
            return manifest
        with suppress(ObjectChanged):
            write_manifest(store, settled, expected=mark)
            return settled
    raise _busy(store, key)


def _read(store: Store, key: str) -> tuple[Manifest, str]:
    """Return a manifest and its mark."""
    store.forget(key)
    store.forget(keys.manifest(key))
    try:
        content, mark = store.read_marked(keys.manifest(key))
    except ObjectMissing as error:
        raise ObjectMissing(f"{store.address(key)}: not committed (no manifest)") from error
    return parse_manifest(store, key, content), mark


def _recent(manifest: Manifest) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of processes that may still replace the object."""
    earliest = (datetime.now(UTC) - _LONGEST).isoformat(timespec="seconds")
    return tuple(one for one in manifest.successors if str(one.get("at")) > earliest)


def _busy(store: Store, key: str) -> ObjectDamaged:
    return ObjectDamaged(f"{store.address(key)}: other runs keep writing it; run it again after they end")
