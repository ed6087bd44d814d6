"""Batches of decoded images, by processes or threads, in any order within a span."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from storage.spans import Span
from tasks.datasets.decoding import Decoded, Decoder
from tasks.datasets.image_cache import ImageCache
from tasks.errors import DatasetError

_WORTH_PROCESSES = 2048  # images; below it starting worker processes takes longer than decoding
_AHEAD = 2  # batches that threads decode before they are asked for
_TOGETHER = 8  # images that a thread reads and decodes at a time

Order = Callable[[Span], NDArray[np.int64]]
"""From a span to its samples, in the order in which they are wanted."""


class Batch(NamedTuple):
    """Some samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    images: torch.Tensor
    """(n, 3, size, size), bytes: cropped, not normalised."""


def batches(
    decoder: Decoder,
    labels: NDArray[np.int32],
    spans: Sequence[Span],
    batch_size: int,
    workers: int,
    *,
    order: Order | None = None,
    cache: ImageCache | None = None,
) -> Iterator[Batch]:
    """Yield the samples of the spans, span by span; no batch crosses the border of a span.

    So a span's batches, and with them its numbers to the last bit, do not depend on which spans were done before.

    Args:
        decoder: of the data set's samples.
        labels: (n,) of all samples.
        spans: which samples.
        batch_size: samples a batch, at most.
        workers: how many decode at a time; 0: none but this thread.
        order: of the samples within a span; None: the data set's.
        cache: images that it has are not decoded, others are given to it.

    Raises:
        DatasetError: an image cannot be decoded; it is named.
    """
    wanted = {span: np.arange(*span, dtype=np.int64) if order is None else order(span) for span in spans}
    plan = [(s, own[i : i + batch_size]) for s, own in wanted.items() for i in range(0, len(own), batch_size)]
    kept = {span: there for span in spans if cache and (there := cache.read(span)) is not None}
    decoded = _decoded(decoder, [index for span, index in plan if span not in kept], workers)
    try:
        for span, index in plan:
            offsets = index - span[0]
            if span in kept:
                images = torch.from_numpy(kept[span][offsets])
            else:
                images = next(decoded)
                if cache:
                    cache.write(span, offsets, images.numpy())
            yield Batch(span, index, labels[index], images)
    finally:
        decoded.close()
        if cache:
            cache.close()


def _decoded(decoder: Decoder, plan: Sequence[NDArray[np.int64]], workers: int) -> Generator[Any, None, None]:
    """Yield the images of each piece of the plan; a generator, so that closing it stops the workers."""
    if not workers:
        found: Iterator[Any] = (_stack(decoder.__getitems__(index.tolist())) for index in plan)
    elif sum(map(len, plan)) < _WORTH_PROCESSES:
        found = _by_threads(decoder, plan, workers)
    else:
        found = iter(_by_processes(decoder, plan, workers))
    for images in found:
        if isinstance(images, DatasetError):
            raise images
        yield images


def _by_processes(decoder: Decoder, plan: Sequence[NDArray[np.int64]], workers: int) -> DataLoader[Any]:
    return DataLoader(
        decoder,
        batch_sampler=[index.tolist() for index in plan],
        num_workers=workers,
        collate_fn=_stack,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context=_forkserver(),
    )


def _by_threads(decoder: Decoder, plan: Sequence[NDArray[np.int64]], workers: int) -> Iterator[Any]:
    """Decode a few batches ahead; several pieces at a time, which hides how long remote pictures take to come."""
    with ThreadPoolExecutor(4 * workers) as pool:
        ahead: deque[list[Future[list[Decoded]]]] = deque()
        try:
            for index in plan:
                pieces = [index[i : i + _TOGETHER].tolist() for i in range(0, len(index), _TOGETHER)]
                ahead.append([pool.submit(decoder.__getitems__, piece) for piece in pieces])
                if len(ahead) > _AHEAD:
                    yield _gathered(ahead.popleft())
            while ahead:
                yield _gathered(ahead.popleft())
        finally:
            for future in (future for batch in ahead for future in batch):
                future.cancel()


def _gathered(futures: list[Future[list[Decoded]]]) -> Decoded:
    return _stack([item for future in futures for item in future.result()])


def _forkserver() -> ForkServerContext:
    """Return the way workers start: forked, but not from here, where they would inherit locks of threads they lack.

    The server that they are forked from imports once what they need.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _stack(items: Sequence[Decoded]) -> Decoded:
    tensors = []
    for item in items:
        if isinstance(item, DatasetError):
            return item
        tensors.append(item)
    return torch.stack(tensors)
