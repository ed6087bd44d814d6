"""Files opened for a reference, and refused when their content is no longer the one that the reference names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

from storage.file_marks import mark_of, settled_mark
from storage.identity import digest_of_file
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.references.heads import FileReference
from tasks.references.models import ModelReference

R = TypeVar("R")


def load_file(reference: FileReference | ModelReference, read: Callable[[BinaryIO, str, str | None], R]) -> R:
    """Return the result of reading a file whose digest is still the reference's.

    Args:
        reference: names the file and its digest.
        read: called with the open file, its address (for messages), and its local path if it has one.

    Raises:
        CheckpointError: the file has changed. Its numbers would be stored as those of another file.
    """
    with verified(reference) as (file, path):
        return read(file, reference.url, path)


@contextmanager
def verified(reference: FileReference | ModelReference) -> Iterator[tuple[BinaryIO, str | None]]:
    """Open a file whose digest is still the reference's; yield it with its local path, or None for a remote file.

    The digest is computed unless the file has the mark of the reference. A file that changes while it is open is
    refused at the end, so a caller keeps nothing made of it before then.

    Raises:
        CheckpointError: the file has changed, before it was opened or since.
    """
    location = Location(reference.url)
    with location.open() as file:
        mark, settled = mark_of(file), settled_mark(file)
        if not mark or mark != reference.mark:
            _check(file, reference)
        file.seek(0)
        yield file, location.path if location.is_local else None
        if mark_of(file) != settled:  # perhaps it was only renamed, or may have changed unnoticed
            file.seek(0)
            _check(file, reference)


def _check(file: BinaryIO, reference: FileReference | ModelReference) -> None:
    digest = digest_of_file(file)
    if digest != reference.digest:
        raise CheckpointError(
            f"{reference.url}: changed since the run began (wanted {reference.digest[:16]}, got {digest[:16]}); "
            "run it again"
        )
