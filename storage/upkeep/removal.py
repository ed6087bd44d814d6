"""Remove objects from a store: all manifests first, so that no reader sees a manifest without its object."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from storage import keys
from storage.errors import ObjectMissing, StoreDenied
from storage.filesystem import open_filesystem, readable_errors
from storage.local_writing import TEMPORARY
from storage.store import Store

_BATCH = 1000  # keys, the most that one request to S3 deletes
_AT_ONCE = 8  # requests


def remove(store: Store, gone: Collection[str], on_batch: Callable[[Sequence[str]], Sequence[str]]) -> list[str]:
    """Remove objects, manifests and temporary files; those that exist no longer count as removed.

    A process that is killed meanwhile leaves objects without a manifest, which another call removes.

    Args:
        store: the store.
        gone: the keys; a manifest that is among them goes before its object.
        on_batch: is called with the keys of a batch right before they are removed, and returns those that may go.

    Returns:
        The removed keys.

    Raises:
        StoreDenied: the store cannot be written.
    """
    first = sorted(key for key in gone if key.endswith(keys.MANIFEST_SUFFIX))
    then = sorted(key for key in gone if not key.endswith(keys.MANIFEST_SUFFIX))
    removed = list[str]()
    for ordered in (first, then):
        for start in range(0, len(ordered), _BATCH * _AT_ONCE):
            chosen = on_batch(ordered[start : start + _BATCH * _AT_ONCE])
            _remove_all(store, chosen)
            removed += chosen
    return removed


def _remove_all(store: Store, chosen: Sequence[str]) -> None:
    if store.scheme != "s3":
        for key in chosen:
            with suppress(ObjectMissing):
                store.delete(key)
        if store.scheme == "file":
            _remove_empty_folders(store, chosen)
        return
    batches = [chosen[start : start + _BATCH] for start in range(0, len(chosen), _BATCH)]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="removal") as pool:
        list(pool.map(lambda batch: _remove_batch(store, batch), batches))


def _remove_batch(store: Store, batch: Sequence[str]) -> None:
    """Remove at most a thousand objects from S3 with one request."""
    filesystem, root = open_filesystem(store.url)
    bucket, _, prefix = root.partition("/")
    named = [{"Key": f"{prefix}/{key}" if prefix else key} for key in batch]
    with readable_errors(store.url):
        answer = filesystem.call_s3("delete_objects", Bucket=bucket, Delete={"Objects": named, "Quiet": True})
    if faults := answer.get("Errors"):
        first = faults[0]
        raise StoreDenied(f"s3://{bucket}/{first['Key']}: not removed ({first.get('Message') or first.get('Code')})")


def _remove_empty_folders(store: Store, chosen: Sequence[str]) -> None:
    """Remove the folders that are empty now; one that another process is filling is not empty, or is made again."""
    root = open_filesystem(store.url)[1]
    folders = {key.rpartition("/")[0] for key in chosen if "/" in key}
    for emptied in sorted(folders, key=len, reverse=True):
        folder = emptied
        while folder and folder != TEMPORARY:
            try:
                os.rmdir(f"{root}/{folder}")
            except OSError:
                break
            folder = folder.rpartition("/")[0]
