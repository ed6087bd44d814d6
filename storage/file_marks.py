"""Marks of open files of this machine, which show later that the files still have the bytes that they had."""

import os
import time
from typing import BinaryIO

from storage.stored import stored_file

_SETTLED = 2.0  # seconds: a file may change once more within the resolution of its times, on any file system


def mark_of(file: BinaryIO) -> str:
    """Return the size, inode and times of an open file as text; empty for a file elsewhere.

    Args:
        file: a binary file. The time of its last change cannot be set by any user, so equal marks mean equal bytes,
            unless the file changed twice within the resolution of its times.
    """
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return ""
    size, mark = stored_file(status)
    return f"{size}-{mark}"


def settled_mark(file: BinaryIO) -> str:
    """Return the mark of an open file; empty if it changed within the last seconds and may change again unnoticed.

    Args:
        file: a binary file.
    """
    mark = mark_of(file)
    return mark if mark and os.fstat(file.fileno()).st_ctime < time.time() - _SETTLED else ""
