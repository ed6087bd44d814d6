"""Move what is damaged aside, to `damaged/<time>/<key>`: no reader finds it any more, and nothing is lost.

The manifest goes first, so that no reader sees a manifest without its object. Each step leaves a store that another
call carries on from: a process that is killed between two steps leaves a copy beside the original, or an object without
a manifest, which the next run adopts if it is sound and replaces if it is not.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime

from storage import keys
from storage.errors import ObjectMissing
from storage.filesystem import open_filesystem, readable_errors
from storage.store import Store
from storage.upkeep.object_faults import Fault, check_object, state_of

FOLDER = "damaged"
_WITH_OBJECT = ("size", "content", "footer")  # kinds of faults whose objects go aside with their manifests
_TRIES = 5  # another process may remove a folder that is still empty


def folder_of_now() -> str:
    """Return the folder for what is moved aside now, such as `damaged/20261128T031500Z`."""
    return f"{FOLDER}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def original_of(key: str) -> str | None:
    """Return the key that an object had before it was moved aside; None for one that was not.

    Example:
        >>> original_of("damaged/20261128T031500Z/heads/0123.safetensors")
        'heads/0123.safetensors'
    """
    folder, _, rest = key.partition("/")
    return rest.partition("/")[2] if folder == FOLDER else None


def set_object_aside(store: Store, key: str, folder: str) -> Fault | None:
    """Move a committed object aside after another look at it; it stays if it is sound by now.

    Args:
        store: the store that holds the object.
        key: the object's key.
        folder: from `folder_of_now`.

    Returns:
        The fault that the look found and that is repaired now; None: the object is sound, or gone.

    Raises:
        StoreDenied: the store cannot be written.
    """
    before = state_of(store, key)
    fault = check_object(store, key).fault
    if fault is None or fault.kind == "unreadable" or state_of(store, key) != before:
        return None
    move_aside(store, keys.manifest(key), folder)
    if fault.kind in _WITH_OBJECT and state_of(store, key) == (None, before[1]):  # else another run has written it
        move_aside(store, key, folder)
    return fault


def move_aside(store: Store, key: str, folder: str) -> None:
    """Move one file aside; nothing happens where it does not exist any more.

    Args:
        store: the store that holds it.
        key: its key.
        folder: from `folder_of_now`.

    Raises:
        StoreDenied: the store cannot be written.
    """
    target = f"{folder}/{key}"
    with suppress(ObjectMissing), readable_errors(store.address(key)):
        if store.scheme == "file":
            _rename(store, key, target)
            return
        if store.scheme == "s3":
            filesystem, root = open_filesystem(store.url)
            filesystem.cp_file(f"{root}/{key}", f"{root}/{target}")  # inside S3: no byte passes through this machine
        else:
            store.replace(target, store.read(key))
        store.delete(key)
    store.forget(key)


def _rename(store: Store, key: str, target: str) -> None:
    root = open_filesystem(store.url)[1]
    for attempt in range(_TRIES):
        os.makedirs(os.path.dirname(f"{root}/{target}"), exist_ok=True)
        try:
            os.rename(f"{root}/{key}", f"{root}/{target}")
        except FileNotFoundError:
            if attempt == _TRIES - 1 or not os.path.lexists(f"{root}/{key}"):
                raise
        else:
            return
