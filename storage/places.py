"""The place of a store, looked at before it is used: a folder that exists or can be made, or a bucket that exists."""

import os
from pathlib import Path

from storage.errors import ObjectMissing, StoreDenied
from storage.filesystem import open_filesystem, readable_errors, scheme_of


def check_place(url: str, *, writable: bool) -> None:
    """Raise an error unless a store can be at a place; nothing is written.

    Args:
        url: the store's full URL.
        writable: whether the caller will write there. The first write then shows whether a bucket exists, which
            otherwise takes a request.

    Raises:
        StoreDenied: a file is in the folder's place or above it, or access is refused.
        ObjectMissing: the bucket does not exist.
        StoreUnreachable: the endpoint does not answer.
    """
    if scheme_of(url) == "file":
        _check_folder(url)
    elif scheme_of(url) == "s3" and not writable:
        filesystem, path = open_filesystem(url)
        bucket, _, prefix = path.partition("/")
        try:
            with readable_errors(url):
                filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except ObjectMissing as error:
            raise no_bucket(url) from error


def exists(url: str) -> bool:
    """Return whether the folder of a store exists; a bucket has no folders, so that every place in it does."""
    return scheme_of(url) != "file" or os.path.isdir(url.removeprefix("file://"))


def neighbours(url: str) -> list[str]:
    """Return the names of the folders beside a store's folder; empty where it has none."""
    parent = Path(url.removeprefix("file://")).parent
    if scheme_of(url) != "file" or not parent.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(parent) if entry.is_dir())


def no_bucket(url: str) -> ObjectMissing:
    """Return the error of a store in a bucket that does not exist."""
    bucket = url.removeprefix("s3://").partition("/")[0]
    return ObjectMissing(f"{url}: no such bucket: {bucket}; check its name and AWS_ENDPOINT_URL")


def _check_folder(url: str) -> None:
    """Refuse a folder that is a file, that lies below one, or that cannot be made."""
    path = Path(url.removeprefix("file://"))
    with readable_errors(url):
        above = next((one for one in (path, *path.parents) if os.path.lexists(one)), path)
        if above.exists() and not above.is_dir():
            place = "it is a file" if above == path else f"{above} is a file"
            raise StoreDenied(f"{url}: wanted a folder, but {place}")
        if not os.access(above, os.R_OK | os.X_OK | (0 if above == path else os.W_OK)):
            raise StoreDenied(f"{url}: access denied to {above}; wanted a folder that can be read and made")
