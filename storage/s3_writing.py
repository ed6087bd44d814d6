"""Write objects to S3 with one PUT each, whose answer holds the ETag, and learn whether a server honours conditions."""

import errno
import os
from time import monotonic
from typing import Any

from storage.errors import ObjectChanged

_IN_PARTS = 100 << 20  # bytes, from which s3fs uploads an object in parts
_SECONDS = 60.0  # for which a place that could be written counts as one that can

_honoured: dict[tuple[str, str], bool] = {}
"""By endpoint and bucket: whether the server refuses a conditional PUT of a key that is taken."""
_tried: dict[tuple[str, str], float] = {}
"""By endpoint and folder: when this process last tried to write there, and could."""


def put(
    filesystem: Any,  # noqa: ANN401  s3fs publishes no types
    path: str,
    content: bytes,
    *,
    if_free: bool = False,
    expected: str = "",
) -> str:
    """Write an object and return its ETag; that of an object uploaded in parts is unknown, and empty.

    Args:
        filesystem: s3fs's.
        path: the bucket and the key.
        content: the object's bytes.
        if_free: whether the server is to refuse a key that is taken.
        expected: the ETag of the object without which the server is to refuse; empty: any. A server that ignores
            conditions writes all the same.

    Raises:
        FileExistsError: the key is taken.
        ObjectChanged: the object has another ETag, or exists no longer. Other errors are those of s3fs.
    """
    if len(content) >= _IN_PARTS:
        filesystem.pipe_file(path, content, mode="create" if if_free else "overwrite")
        return ""
    bucket, key, _ = filesystem.split_path(path)
    condition = {"IfNoneMatch": "*"} if if_free else {"IfMatch": expected} if expected else {}
    try:
        answer = filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
    except OSError as error:
        if expected and (isinstance(error, FileNotFoundError) or error.errno == errno.EINVAL):  # for s3fs, status 412
            raise ObjectChanged(f"s3://{path}: written by another process at this moment") from error
        raise
    return str(answer.get("ETag") or "")


def try_to_write(filesystem: Any, root: str, key: str) -> None:  # noqa: ANN401
    """Write a small object, twice, and remove it, unless this process has done so a moment ago.

    The second PUT shows whether the server refuses a key that is taken.

    Args:
        filesystem: s3fs's.
        root: the bucket, and the folder in it.
        key: of the object below the folder; it is free.

    Raises:
        OSError: the bucket does not exist, or refuses. Other errors are those of s3fs.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if monotonic() - _tried.get((endpoint, root), -_SECONDS) < _SECONDS:
        return
    put(filesystem, f"{root}/{key}", b"", if_free=True)
    try:
        put(filesystem, f"{root}/{key}", b"", if_free=True)
        is_honoured = False
    except FileExistsError:
        is_honoured = True
    filesystem.rm_file(f"{root}/{key}")
    _honoured[endpoint, root.partition("/")[0]] = is_honoured
    _tried[endpoint, root] = monotonic()


def honours_conditions(filesystem: Any, root: str, key: str) -> bool:  # noqa: ANN401
    """Return whether the server refuses a conditional PUT of a key that is taken; a process tries it out once.

    Args:
        filesystem: s3fs's.
        root: as for `try_to_write`.
        key: as for `try_to_write`.
    """
    place = os.environ.get("AWS_ENDPOINT_URL", ""), root.partition("/")[0]
    if place not in _honoured:
        try_to_write(filesystem, root, key)
    return _honoured[place]
