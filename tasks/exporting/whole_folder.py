"""A folder that appears whole or not at all: it is written beside its place and renamed when it is complete."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import InputError


class TargetTaken(InputError, FileExistsError):
    """A folder cannot be written where the request wants it."""


def refuse_taken(target: Path) -> None:
    """Refuse a target that holds anything, or that no folder can be written to.

    Args:
        target: the folder to write.

    Raises:
        TargetTaken: it is a file, or holds files, or the folder around it does not exist.
    """
    if len(target.parts) > 1 and target.parts[0].endswith(":"):  # a path keeps one slash of an address's two
        raise TargetTaken(f"-o {target}: an address; wanted a folder of this machine")
    if target.is_dir():
        if os.path.ismount(target):
            raise TargetTaken(f"-o {target}: a place where a file system is mounted; wanted a folder inside it")
        held = sorted(entry.name for entry in target.iterdir())
        if held:
            raise TargetTaken(f"-o {target}: wanted an empty or a new folder, it holds {', '.join(held[:3])}")
    elif target.exists() or target.is_symlink():
        raise TargetTaken(f"-o {target}: a file; wanted the name of a folder")
    elif not target.absolute().parent.is_dir():
        raise TargetTaken(f"-o {target}: no such folder {target.absolute().parent}")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to write to, which gets its name when the block ends well, and is removed when it does not.

    It lies beside the target, under a name that begins with a dot. One that a killed process has left is emptied first.

    Args:
        target: a new or an empty folder.

    Raises:
        TargetTaken: the target is taken, or another process is writing it.
    """
    refuse_taken(target)
    target = target.resolve()  # a link to an empty folder stands for that folder
    place = target.absolute().with_name(f".{target.absolute().name}.unfinished")
    lock = _locked(place)
    try:
        _empty(place)
        yield place
        refuse_taken(target)
        place.rename(target.absolute())  # replaces an empty folder
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _locked(place: Path) -> int:
    """Make a folder and hold a lock on it, which ends with the process; return the lock's descriptor."""
    try:
        place.mkdir(exist_ok=True)
        lock = os.open(place, os.O_RDONLY)
    except OSError as error:
        raise TargetTaken(f"-o {place.parent}: cannot be written ({error.strerror})") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(lock), os.stat(place)):  # renamed since: another process has finished it
            raise FileNotFoundError
    except OSError as error:
        os.close(lock)
        raise TargetTaken(f"{place}: another process is writing this folder") from error
    return lock


def _empty(place: Path) -> None:
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
