"""Everything that lies in a store's place, with the times at which it was written by the store's own clock."""

import logging
import os
import uuid
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from storage.errors import ObjectMissing, StoreDenied
from storage.filesystem import open_filesystem, readable_errors
from storage.local_reading import list_files
from storage.local_writing import TEMPORARY
from storage.s3_listing import entries_of
from storage.store import Store

log = logging.getLogger("dawin.storage")


class Item(NamedTuple):
    """A file in a store's place."""

    size: int
    """Bytes."""
    written: float
    """When its content or its name was last written, seconds since 1970 by the clock of the store."""


class Upload(NamedTuple):
    """An upload in parts to S3 that was neither completed nor aborted; its parts cost money and are in no listing."""

    key: str
    """The key that the object would get."""
    identifier: str
    """S3's name of the upload."""
    started: float
    """When it began, seconds since 1970."""


def inventory(store: Store, prefix: str = "") -> dict[str, Item]:
    """Return everything in a store's place by key, sorted: objects, manifests and temporary files.

    On S3 this is one request for each thousand objects.

    Args:
        store: the store.
        prefix: a folder of the store; by default all of it.

    Raises:
        StoreDenied: a folder of a local store is a link: its files would look absent.
    """
    filesystem, root = open_filesystem(store.url)
    folder, found = f"{root}/{prefix}".rstrip("/"), dict[str, Item]()
    above = f"{prefix}/" if prefix else ""
    with readable_errors(store.url):
        if store.scheme == "file":
            for path, status in list_files(folder, lambda path: _refuse_link(f"{store.url}/{above}{path}")):
                found[above + path] = Item(status.st_size, max(status.st_mtime, status.st_ctime))
        elif store.scheme == "s3":
            start = len(root.partition("/")[2]) + 1 if "/" in root else 0
            for entries, _ in entries_of(filesystem, folder):
                for entry in entries:
                    found[entry["Key"][start:]] = Item(int(entry["Size"]), entry["LastModified"].timestamp())
        else:
            start = len(root.rstrip("/")) + 1
            for path, info in filesystem.find(folder, detail=True).items():
                found[path[start:]] = Item(int(info["size"]), _moment(info["created"]))
    return dict(sorted(found.items()))


def _refuse_link(address: str) -> None:
    raise StoreDenied(f"{address}: a link to a folder, of which no listing shows the files; wanted the folder itself")


def now_in(store: Store) -> float:
    """Return the present time by the store's own clock, in seconds since 1970: that of a small object written now.

    The clock of this machine may differ from the one that stamps objects by hours.

    Args:
        store: the store.

    Raises:
        StoreDenied: the store cannot be written.
    """
    key = f"{TEMPORARY}/{uuid.uuid4().hex}"
    store.replace(key, b"")
    filesystem, root = open_filesystem(store.url)
    path = f"{root}/{key}"
    try:
        with readable_errors(store.address(key)):
            if store.scheme == "file":
                return os.stat(path).st_ctime
            info = filesystem.info(path)
        return _moment(info.get("LastModified") or info["created"])
    finally:
        with suppress(ObjectMissing, StoreDenied):
            store.delete(key)


def _moment(time: datetime | float) -> float:
    """Return seconds since 1970; releases of fsspec differ in the form of a time in memory."""
    return time if isinstance(time, float) else time.timestamp()


def unfinished_uploads(store: Store) -> list[Upload]:
    """Return the unfinished uploads in parts below a store's place on S3; elsewhere none exist.

    Args:
        store: the store.
    """
    if store.scheme != "s3":
        return []
    filesystem, root = open_filesystem(store.url)
    bucket, _, prefix = root.partition("/")
    below, after, found = f"{prefix}/" if prefix else "", dict[str, str](), list[Upload]()
    while True:
        try:
            with readable_errors(store.url):
                answer: dict[str, Any] = filesystem.call_s3(
                    "list_multipart_uploads", Bucket=bucket, Prefix=below, **after
                )
        except StoreDenied as error:
            log.warning("unfinished uploads are not looked for, which takes s3:ListBucketMultipartUploads: %s", error)
            return []
        for one in answer.get("Uploads", ()):
            found.append(Upload(one["Key"][len(below) :], one["UploadId"], one["Initiated"].timestamp()))
        if not answer.get("IsTruncated"):
            return found
        after = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}


def abort_upload(store: Store, upload: Upload) -> None:
    """Remove the parts of an unfinished upload.

    Args:
        store: the store, on S3.
        upload: as `unfinished_uploads` returns it.
    """
    filesystem, root = open_filesystem(store.url)
    bucket, _, prefix = root.partition("/")
    key = f"{prefix}/{upload.key}" if prefix else upload.key
    with readable_errors(store.address(upload.key)), suppress(FileNotFoundError):  # completed or aborted meanwhile
        filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload.identifier)
