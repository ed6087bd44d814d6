"""Batches of a data set's images, decoded and on the device. This file joins references and data sets."""

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import chain, islice

import numpy as np
import torch

from storage.identity import digest_of
from storage.kept_files import cache_folder
from storage.spans import Span
from tasks.datasets.decoding import Decoder
from tasks.datasets.image_cache import ImageCache
from tasks.datasets.loading import Batch, Order, batches
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_again
from tasks.references.datasets import DatasetReference
from tasks.streaming.devices import transferred
from tasks.streaming.reading import Reading

BLOCK = 1024  # samples that a merged model runs on before the next one: each is merged at most once per block


class Images:
    """The images of a data set. Opening lists the samples, and refuses a data set that changed since the run began.

    Args:
        reference: the data set.
        reading: how images are read.
        device: receives the images.

    Raises:
        DatasetError: the data set is not the one that the reference names.
    """

    def __init__(self, reference: DatasetReference, reading: Reading, device: str) -> None:
        samples, _, digest = list_again(reference)
        if digest != reference.digest:
            raise DatasetError(
                f"data set {reference.name} ({reference.url}): changed since the run began "
                f"(wanted {reference.digest}, got {digest}); run it again"
            )
        self._decoder = Decoder(samples, reference.preprocessing)
        self._labels, self._reading, self._device = samples.labels, reading, device
        size, limit = reference.preprocessing.size, reading.cache_bytes
        # another version of a library that decodes or resizes may give other bytes
        decoded = digest_of(
            {"dataset": reference.digest, "pillow": version("pillow"), "torchvision": version("torchvision")}
        )
        self._cache = ImageCache(cache_folder("images"), decoded, size, limit) if limit else None
        self._begun: tuple[list[Span], Iterator[Batch]] | None = None

    def begin(self, spans: Sequence[Span]) -> None:
        """Decode the first batch of a pass now; processes or threads go on with some more, and wait for the pass.

        Args:
            spans: that the pass will ask for, in the order of the samples; if it asks for others, this was in vain.
        """
        found = self._decoded(spans)
        self._begun = list(spans), chain(list(islice(found, 1)), found)

    def close(self) -> None:
        """Stop the decoding that was begun, if no pass has asked for it."""
        self._begun = None  # the end of a generator ends its processes and threads

    def batches(self, spans: Sequence[Span], order: Order | None = None) -> Iterator[Batch]:
        """Yield the samples of the spans in batches, decoded and on the device.

        Args:
            spans: of samples, in order.
            order: gives the order of the samples within a span; None: as they are numbered.
        """
        begun, self._begun = self._begun, None
        if begun and order is None and begun[0] == list(spans):
            return transferred(begun[1], self._device)
        return transferred(self._decoded(spans, order), self._device)

    def _decoded(self, spans: Sequence[Span], order: Order | None = None) -> Iterator[Batch]:
        workers = default_workers() if self._reading.workers is None else self._reading.workers
        return batches(
            self._decoder, self._labels, spans, self._reading.batch_size, workers, order=order, cache=self._cache
        )


def blocks(found: Iterator[Batch], least: int) -> Iterator[Batch]:
    """Yield batches of one span joined until they hold at least `least` samples, or the span ends.

    A pass with many merged models runs each of them on a block at a time.
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


def default_workers() -> int:
    """Return the number of decoding processes: one per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
