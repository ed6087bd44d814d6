"""An object as a listing shows it, by the details that a back end gives."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Stored(NamedTuple):
    """An object as a listing shows it."""

    size: int
    """Bytes."""
    mark: str
    """Changes when the object is written again: its times and inode, or its ETag. Empty where the back end, such as
    memory, has none of these."""


def stored_of(info: Mapping[str, Any]) -> Stored:
    """Return the size and mark from the details of an object, whose names differ between the back ends.

    Args:
        info: of fsspec.
    """
    if "ino" in info:  # local: `created` is the time of the last change to anything about the file; no user can set it
        return Stored(int(info["size"]), f"{info['ino']}-{info['mtime']}-{info['created']}")  # as `mark_of` makes it
    return Stored(int(info["size"]), str(info.get("ETag") or ""))
