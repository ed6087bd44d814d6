"""The record of a file of a data set or a checkpoint."""

from typing import NamedTuple


class FileEntry(NamedTuple):
    """A file below a folder, with values that change when its content does."""

    path: str
    """Relative to the folder, with `/` between the parts."""
    size: int
    """Bytes."""
    etag: str
    """The etag of S3 or the Hub; for any other file, its size and the time of its last modification."""
    changed: str = ""
    """The time of the last change to a local file's content or attributes, which no user can set back. Empty for a
    remote file, whose etag suffices."""
