"""Opening what references name: checkpoints to states, data sets to batches. Joins storage, models and data sets."""

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

import numpy as np
import safetensors.torch
import torch

from storage.blobs import read_blob
from storage.identity import digest_of
from storage.spans import Span
from storage.store import Store
from tasks.datasets.decoding import Decoder
from tasks.datasets.image_cache import ImageCache, default_folder
from tasks.datasets.loading import Batch, Order, batches
from tasks.errors import DatasetError
from tasks.models.checkpoint import PROJECTION, read_checkpoint, read_head
from tasks.opening.list_samples import list_dataset
from tasks.opening.make_heads import text_head
from tasks.opening.verified_files import load_file
from tasks.references.base import DatasetReference, OutputsReference, TextHeadReference
from tasks.streaming.reading import Reading

BLOCK = 1024  # samples that many merged models run over before the next ones: a model is merged at most once a block


def load_states(
    outputs: Iterable[OutputsReference], store: Store, device: str
) -> dict[OutputsReference, dict[str, torch.Tensor]]:
    """Return the tensors of models by reference, on a device."""
    return {o: {name: tensor.to(device) for name, tensor in load_state(o, store).items()} for o in outputs}


def load_state(outputs: OutputsReference, store: Store) -> dict[str, torch.Tensor]:
    """Return the tensors of a model with the head that scores this data set, float32, on the CPU.

    A head that is made of class names is made when the store has none yet.

    Raises:
        CheckpointError: a file is no longer the one whose digest the reference holds: its numbers would be stored
            as another's.
    """
    if outputs.model.recipe:
        state = safetensors.torch.load(read_blob(store, outputs.model.recipe.key))
    else:
        state = load_file(outputs.model, read_checkpoint)
    if outputs.model.projection:
        state[PROJECTION] = load_file(outputs.model.projection, read_checkpoint)[PROJECTION]
    return state | load_head(outputs, store)


def load_head(outputs: OutputsReference, store: Store) -> dict[str, torch.Tensor]:
    """Return the tensors of a data set's own head; none where the checkpoints hold it."""
    if isinstance(outputs.head, TextHeadReference):
        return text_head(outputs.head, store)
    return load_file(outputs.head, read_head) if outputs.head else {}


class OpenedDataset:
    """A data set whose images can be read; refuses one that is no longer what its reference says.

    Args:
        reference: the data set.
        reading: how.
        device: where the images are wanted.
    """

    def __init__(self, reference: DatasetReference, reading: Reading, device: str) -> None:
        samples, _, digest = list_dataset(
            reference.url, reference.limit, reference.preprocessing, reference.label_space
        )
        if digest != reference.digest:
            raise DatasetError(
                f"data set {reference.name} ({reference.url}): changed since the run began "
                f"(wanted {reference.digest}, got {digest}); run it again"
            )
        self._decoder = Decoder(samples, reference.preprocessing)
        self._labels, self._reading, self._device = samples.labels, reading, device
        size, limit = reference.preprocessing.size, reading.cache_bytes
        # another version of what decodes and resizes may give other bytes
        decoded = digest_of(
            {"dataset": reference.digest, "pillow": version("pillow"), "torchvision": version("torchvision")}
        )
        self._cache = ImageCache(default_folder(), decoded, size, limit) if limit else None

    def batches(self, spans: Sequence[Span], order: Order | None = None) -> Iterator[Batch]:
        """Yield the samples of the spans, decoded and on the device."""
        workers = default_workers() if self._reading.workers is None else self._reading.workers
        found = batches(
            self._decoder, self._labels, spans, self._reading.batch_size, workers, order=order, cache=self._cache
        )
        return transferred(found, self._device)


def blocks(found: Iterator[Batch], least: int) -> Iterator[Batch]:
    """Join batches of one span until they hold at least so many samples, or the span ends.

    What runs many models over the same samples wants each model to have many at a time.
    """
    held: list[Batch] = []
    for batch in found:
        if held and (batch.span != held[0].span or sum(len(b.sample_index) for b in held) >= least):
            yield _joined(held)
            held = []
        held.append(batch)
    if held:
        yield _joined(held)


def _joined(held: Sequence[Batch]) -> Batch:
    if len(held) == 1:
        return held[0]
    index, labels = (np.concatenate([b[i] for b in held]) for i in (1, 2))
    return Batch(held[0].span, index, labels, torch.cat([b.images for b in held]))


def transferred(found: Iterator[Batch], device: str) -> Iterator[Batch]:
    """Put batches on a device; on a GPU the next one travels, on a stream of its own, while this one is worked on."""
    if not device.startswith("cuda"):
        yield from found
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    travelling: tuple[Batch, torch.cuda.Event] | None = None
    for batch in found:
        with torch.cuda.stream(stream):
            sent = batch._replace(images=batch.images.to(device, non_blocking=True)), stream.record_event()
        if travelling:
            yield _arrived(*travelling)
        travelling = sent
    if travelling:
        yield _arrived(*travelling)


def _arrived(batch: Batch, arrival: torch.cuda.Event) -> Batch:
    """Have what comes next wait for a batch's images, and keep their memory until it is done with them."""
    current = torch.cuda.current_stream(batch.images.device)
    current.wait_event(arrival)
    batch.images.record_stream(current)
    return batch


def default_workers() -> int:
    """Return how many processes may decode: the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device() -> str:
    """Return where models run: the CUDA device, if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
