"""The files of a store in a local folder, with their sizes and marks; links to folders are not followed."""

import os
from collections.abc import Iterator

from storage.stored import Stored


def mark_of(found: os.stat_result) -> str:
    """Return a text that changes when a file is written again: its inode, and times of which no user can set the last.

    Args:
        found: of the file.
    """
    return f"{found.st_ino}-{found.st_mtime}-{getattr(found, 'st_birthtime', found.st_ctime)}"


def local_objects(root: str) -> Iterator[tuple[str, Stored]]:
    """Yield the files below a folder by relative path, in no particular order; nothing where no such folder exists.

    A file that vanishes meanwhile is left out.

    Args:
        root: the folder's path.

    Raises:
        OSError: a folder cannot be listed.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(f"{root}/{folder}" if folder else root) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif found := _stat(entry):
                        yield path, Stored(found.st_size, mark_of(found))
        except (FileNotFoundError, NotADirectoryError):
            continue


def _stat(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat()  # of the file at the end of a link
    except FileNotFoundError:
        return None
