"""The size and the mark of an object, as a listing shows them."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple


class Stored(NamedTuple):
    """An object as a listing shows it."""

    size: int
    """Bytes."""
    mark: str
    """Changes when the object is written again: its times and inode, or its ETag. Empty where the back end, such as
    memory, has none of these."""


def stored_file(status: os.stat_result) -> Stored:
    """Return the size and mark of a local file.

    Args:
        status: the file's status. Its ctime is the time of the last change to anything about it; no user can set it.
    """
    return Stored(status.st_size, f"{status.st_ino}-{status.st_mtime_ns}-{status.st_ctime_ns}")


def stored_elsewhere(details: Mapping[str, Any]) -> Stored:
    """Return the size and mark of an object in memory or on S3.

    Args:
        details: of the object, from fsspec.
    """
    return Stored(int(details["size"]), str(details.get("ETag") or ""))
