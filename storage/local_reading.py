"""Read and list the files of a local store with a few system calls each: a store may hold a hundred thousand."""

import os
from collections.abc import Callable, Iterator

_PIECE = 1 << 26  # bytes


def read_file(path: str) -> bytes:
    """Return a file's bytes.

    Args:
        path: the file's path.

    Raises:
        OSError: the file does not exist, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        pieces = [content]
        while piece := os.read(descriptor, _PIECE):  # a large file, of which one call returns a part
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def list_files(folder: str, on_link: Callable[[str], object] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below a folder, in no particular order; nothing where no such folder exists.

    The file at the end of a link counts as the file; links to folders are not followed.

    Args:
        folder: the folder's path.
        on_link: is called with the relative path of each link to a folder.

    Returns:
        The path of each file relative to the folder, and its status.

    Raises:
        OSError: a folder cannot be listed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "notes.txt").write_text("41 files")
        ...     [(path, status.st_size) for path, status in list_files(folder)]
        [('notes.txt', 8)]
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            entries = os.scandir(f"{folder}/{below}")
        except (FileNotFoundError, NotADirectoryError):  # it may have been removed meanwhile
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{below}{entry.name}/")
                elif (status := _status(entry)) is not None:
                    yield f"{below}{entry.name}", status
                elif on_link is not None and entry.is_dir():
                    on_link(f"{below}{entry.name}")


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file; None for anything else, and for a file that has been removed meanwhile."""
    try:
        return entry.stat() if entry.is_file() else None
    except FileNotFoundError:
        return None
