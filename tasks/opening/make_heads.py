"""Heads made of class names and prompt templates, once a store; and files that are still what a reference says."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

import safetensors.torch
import torch

from storage.blobs import commit_bytes, read_blob
from storage.errors import ManifestInvalid, ObjectDamaged, ObjectMissing
from storage.identity import digest_of_file
from storage.locations import Location
from storage.store import Store
from tasks.errors import CheckpointError
from tasks.models.checkpoint import read_family
from tasks.models.families.recognition import Recognised
from tasks.models.text_tower import zero_shot_head
from tasks.progress import work
from tasks.references.base import FileReference, ModelReference, TextHeadReference

log = logging.getLogger("dawin.heads")

R = TypeVar("R", dict[str, torch.Tensor], Recognised)


def text_head(reference: TextHeadReference, store: Store) -> dict[str, torch.Tensor]:
    """Return a head from the store; the first who asks makes it, and whoever finds it damaged.

    Raises:
        CheckpointError: the checkpoint with the text tower changed, or has none.
    """
    try:
        return safetensors.torch.load(read_blob(store, reference.key))
    except (ObjectMissing, ObjectDamaged, ManifestInvalid) as error:
        if not isinstance(error, ObjectMissing):
            log.warning("%s", error)
    head = _made(reference)
    identity = {"digest": reference.digest, "text": reference.text.digest}
    commit_bytes(store, reference.key, safetensors.torch.save(head), entries=len(head), identity=identity)
    return head


def _made(reference: TextHeadReference) -> dict[str, torch.Tensor]:
    count, templates = len(reference.classes), len(reference.templates)
    log.info("head of %d classes × %d prompt templates: made by %s", count, templates, reference.text.url)
    found = load_file(reference.text, read_family)
    with work("make head", count) as progress:
        return zero_shot_head(
            found.tensors,
            reference.classes,
            reference.templates,
            reference.text.url,
            architecture=reference.architecture,
            device="cuda" if torch.cuda.is_available() else "cpu",
            advanced=progress.advance,
        )


def load_file(reference: FileReference | ModelReference, read: Callable[[BinaryIO, str, str | None], R]) -> R:
    """Return what a reader makes of a file.

    Raises:
        CheckpointError: the file is no longer the one whose digest the reference holds: its numbers would be stored
            as another's.
    """
    with verified(reference) as (file, path):
        return read(file, reference.url, path)


@contextmanager
def verified(reference: FileReference | ModelReference) -> Iterator[tuple[BinaryIO, str | None]]:
    """Open a file that is still what a reference says; its path too, where it has one. See `load_file`."""
    location = Location(reference.url)
    with location.open() as file:
        digest = digest_of_file(file)
        if digest != reference.digest:
            raise CheckpointError(
                f"{reference.url}: changed since the run began (wanted {reference.digest[:16]}, got {digest[:16]}); "
                "run it again"
            )
        file.seek(0)
        yield file, location.path if location.is_local else None
