"""Write objects to S3 with one PUT each, whose answer holds the ETag, and learn whether a server honours conditions."""

import os
from typing import Any

_IN_PARTS = 100 << 20  # bytes, from which s3fs uploads an object in parts

_honoured: dict[tuple[str, str], bool] = {}
"""By endpoint and bucket: whether the server refuses a conditional PUT of a key that is taken."""


def put(filesystem: Any, path: str, content: bytes, *, if_free: bool = False) -> str:  # noqa: ANN401  s3fs publishes no types
    """Write an object and return its ETag; that of an object uploaded in parts is unknown, and empty.

    Args:
        filesystem: s3fs's.
        path: the bucket and the key.
        content: the object's bytes.
        if_free: whether the server is to refuse a key that is taken.

    Raises:
        FileExistsError: the key is taken. Other errors are those of s3fs.
    """
    if len(content) >= _IN_PARTS:
        filesystem.pipe_file(path, content, mode="create" if if_free else "overwrite")
        return ""
    bucket, key, _ = filesystem.split_path(path)
    condition = {"IfNoneMatch": "*"} if if_free else {}
    answer = filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
    return str(answer.get("ETag") or "")


def probe(filesystem: Any, path: str) -> bool:  # noqa: ANN401
    """Write a small object and remove it; return whether the server honours conditions, which is tried out once.

    Args:
        filesystem: s3fs's.
        path: the bucket and a key that is free.

    Raises:
        OSError: the bucket does not exist, or refuses. Other errors are those of s3fs.
    """
    put(filesystem, path, b"", if_free=True)
    place = _place(path)
    if place not in _honoured:
        try:
            put(filesystem, path, b"", if_free=True)
            _honoured[place] = False
        except FileExistsError:
            _honoured[place] = True
    filesystem.rm_file(path)
    return _honoured[place]


def honours_conditions(filesystem: Any, path: str) -> bool:  # noqa: ANN401
    """Return whether the server refuses a conditional PUT of a key that is taken; the first call of a process tries it.

    Args:
        filesystem: s3fs's.
        path: as for `probe`.
    """
    known = _honoured.get(_place(path))
    return probe(filesystem, path) if known is None else known


def _place(path: str) -> tuple[str, str]:
    return os.environ.get("AWS_ENDPOINT_URL", ""), path.partition("/")[0]
