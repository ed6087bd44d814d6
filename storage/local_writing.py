"""Write the files of a local store: each appears whole, under its name in one step, after its content is on the disk.

A power cut leaves an object whole or absent. The price is one `fsync` of the file and one of its folder: a file of
20 kB takes 0.65 ms instead of 0.1 ms on a local disk (medians of 300), an object with its manifest twice that.
"""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.errors import ObjectChanged
from storage.stored import stored_file

TEMPORARY = ".tmp"  # the folder of a local store that holds objects until they get their name
_TRIES = 20  # to give a file its name; `store prune` removes empty folders
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}  # file systems that cannot synchronise a folder


def write_file(root: Path, path: Path, content: bytes, *, exclusive: bool) -> None:
    """Write a file of a store.

    Args:
        root: the store's folder.
        path: the file's path.
        content: the file's bytes.
        exclusive: whether an existing file stays as it is.

    Raises:
        FileExistsError: the file exists and the writing is exclusive; the error has no `filename`.
        OSError: the file system refuses.
    """
    temporary = _temporary(root)
    make_folder(path.parent)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _place(temporary, path, exclusive=exclusive)
    finally:
        temporary.unlink(missing_ok=True)


def exchange_file(root: Path, path: Path, content: bytes, expected: str) -> None:
    """Write a file of a store, unless somebody has written or deleted it since it had a mark.

    A lock on the file's folder, which a killed process gives up, keeps two such writers apart.

    Args:
        root: the store's folder.
        path: the file's path.
        content: the file's bytes.
        expected: the mark, from `stored_file`.

    Raises:
        ObjectChanged: the file has another mark, or does not exist.
        OSError: the file system refuses.
    """
    changed = ObjectChanged(f"file://{path}: written by another process at this moment")
    temporary = _temporary(root)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with _locked(path.parent):
            if not path.exists() or stored_file(os.stat(path)).mark != expected:
                raise changed
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _synchronise(path.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: two writers in the same millisecond are not kept apart
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def move_file(root: Path, source: Path, path: Path) -> str:
    """Move a file of this machine into a store; it replaces an existing file.

    Args:
        root: the store's folder.
        source: the present path of the file.
        path: its path in the store.

    Returns:
        The file's mark under its name; empty if another process has replaced it already.

    Raises:
        OSError: the file system refuses.
    """
    temporary = _temporary(root)
    make_folder(path.parent)
    try:
        shutil.move(source, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
            _place(temporary, path, exclusive=False)
            # while the file is open, no other one can have its inode
            return _mark_if(path, os.fstat(file.fileno()).st_ino)
    finally:
        temporary.unlink(missing_ok=True)


def _mark_if(path: Path, inode: int) -> str:
    """Return the mark of the file at a path; empty if it is not the one with this inode."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ""
    return stored_file(status).mark if status.st_ino == inode else ""


def _place(temporary: Path, path: Path, *, exclusive: bool) -> None:
    """Give a file its name; another process may be removing the folder, which is empty until then."""
    for attempt in range(_TRIES):
        try:
            make_folder(path.parent)
            if exclusive:
                _link(temporary, path)
            else:
                temporary.replace(path)
            break
        except FileNotFoundError:
            if attempt == _TRIES - 1 or not temporary.exists():
                raise
    _synchronise(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and put the names of the new ones on the disk.

    Raises:
        OSError: the file system refuses.
    """
    new = []
    for above in (folder, *folder.parents):
        if above.exists():
            break
        new.append(above)
    folder.mkdir(parents=True, exist_ok=True)
    for made in new:
        _synchronise(made.parent)


def _temporary(root: Path) -> Path:
    folder = root / TEMPORARY
    make_folder(folder)
    return folder / uuid.uuid4().hex


def _synchronise(folder: Path) -> None:
    """Put the names in a folder on the disk, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def _link(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileExistsError(path.name) from None  # without `filename`: the key is taken, the place is fine
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():  # a file system without hard links: the check and the rename are two steps there
            raise FileExistsError(path.name) from None
        temporary.replace(path)
