"""Opening what references name: checkpoints to states, data sets to batches. Joins storage, models and data sets."""

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

import torch

from storage.identity import digest_of_file
from storage.locations import Location
from tasks.datasets.loading import Batch, ImageFiles, Span, batches
from tasks.errors import CheckpointError, DatasetError
from tasks.listing import list_dataset
from tasks.models.checkpoint import read_checkpoint, read_head
from tasks.references import DatasetReference, OutputsReference


def load_state(outputs: OutputsReference) -> dict[str, torch.Tensor]:
    """Return the tensors of a model with the head that scores this data set, float32, on the CPU.

    Raises:
        CheckpointError: a file is no longer the one whose digest the reference holds: its numbers would be stored
            as another's.
    """
    state = _load(outputs.model.url, outputs.model.digest, read_checkpoint)
    if outputs.head:
        state |= _load(outputs.head.url, outputs.head.digest, read_head)
    return state


def _load(
    url: str, wanted: str, read: Callable[[BinaryIO, str, str | None], dict[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    location = Location(url)
    with location.open() as file:
        digest = digest_of_file(file)
        if digest != wanted:
            raise CheckpointError(
                f"{url}: changed since the run began (wanted {wanted[:16]}, got {digest[:16]}); run it again"
            )
        file.seek(0)
        return read(file, url, location.path if location.is_local else None)


class OpenedDataset:
    """A data set whose images can be read; refuses one that is no longer what its reference says.

    Args:
        reference: the data set.
        batch_size: images at a time.
        workers: decoding processes; None: one a core.
        device: where the images are wanted.
    """

    def __init__(self, reference: DatasetReference, batch_size: int, workers: int | None, device: str) -> None:
        folder, digest = list_dataset(reference.url, reference.limit, reference.preprocessing)
        if digest != reference.digest:
            raise DatasetError(
                f"data set {reference.name} ({reference.url}): changed since the run began "
                f"(wanted {reference.digest}, got {digest}); run it again"
            )
        location = Location(reference.url)
        self._files = ImageFiles(location.filesystem(), location.path, folder.paths, reference.preprocessing)
        self._labels = folder.labels
        self._batch_size, self._workers = batch_size, default_workers() if workers is None else workers
        self._device = device

    def batches(self, spans: list[Span]) -> Iterator[Batch]:
        """Yield the samples of the spans, decoded and on the device, in order."""
        for batch in batches(self._files, self._labels, spans, self._batch_size, self._workers):
            yield batch._replace(images=batch.images.to(self._device, non_blocking=True))


def default_workers() -> int:
    """Return how many processes may decode: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device() -> str:
    """Return where models run: the CUDA device, if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
