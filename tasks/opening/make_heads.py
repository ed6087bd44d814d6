"""Classification heads made of class names and prompt templates: each is made once and kept in the store."""

import logging

import safetensors.torch
import torch

from storage.blobs import commit_bytes, read_blob
from storage.errors import ManifestInvalid, ObjectDamaged, ObjectMissing
from storage.store import Store
from tasks.models.checkpoint import read_family
from tasks.models.text_tower import zero_shot_head
from tasks.opening.verified_files import load_file
from tasks.progress import work
from tasks.references.heads import TextHeadReference

log = logging.getLogger("dawin.heads")


def text_head(reference: TextHeadReference, store: Store) -> dict[str, torch.Tensor]:
    """Return `head.weight` (classes, features) and `head.bias` (classes,) from the store.

    The head is made first if the store does not have it, or has a damaged copy.

    Raises:
        CheckpointError: the checkpoint with the text tower has changed, or has no text tower.
    """
    try:
        return safetensors.torch.load(read_blob(store, reference.key))
    except (ObjectMissing, ObjectDamaged, ManifestInvalid) as error:
        if not isinstance(error, ObjectMissing):
            log.warning("%s", error)
    head = _make(reference)
    identity = {"digest": reference.digest, "text": reference.text.digest}
    commit_bytes(store, reference.key, safetensors.torch.save(head), entries=len(head), identity=identity)
    return head


def _make(reference: TextHeadReference) -> dict[str, torch.Tensor]:
    count, templates = len(reference.classes), len(reference.templates)
    log.info("head of %d classes × %d prompt templates: made by %s", count, templates, reference.text.url)
    checkpoint = load_file(reference.text, read_family)
    with work("make head", count, stage="make heads", unit="classes") as progress:
        return zero_shot_head(
            checkpoint.tensors,
            reference.classes,
            reference.templates,
            reference.text.url,
            architecture=reference.architecture,
            device="cuda" if torch.cuda.is_available() else "cpu",
            advanced=progress.advance,
        )
