"""Batches of decoded images, made by processes or threads, in any order within a span."""

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

_LEAST_FOR_PROCESSES = 2048  # images; starting worker processes for fewer takes longer than decoding them
_AHEAD = 2  # batches that threads decode before they are asked for
_TOGETHER = 8  # images that a thread reads and decodes at a time

Order = Callable[[Span], NDArray[np.int64]]
"""Returns the numbers of a span's samples in the order in which they are wanted."""


class Batch(NamedTuple):
    """A batch of samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    images: torch.Tensor
    """(n, 3, size, size), uint8: cropped, not normalised."""


def batches(
    decoder: Decoder,
    labels: NDArray[np.int32],
    spans: Sequence[Span],
    batch_size: int,
    workers: int,
    *,
    order: Order | None = None,
    cache: ImageCache | None = None,
    least_for_processes: int = _LEAST_FOR_PROCESSES,
) -> Iterator[Batch]:
    """Yield the samples of the spans, span by span; no batch crosses the border of a span.

    So the batches of a span, and with them its results to the last bit, do not depend on which spans came before.

    Args:
        decoder: the decoder of the data set.
        labels: (n,) labels of all samples of the data set.
        spans: the samples to yield.
        batch_size: samples in a batch, at most.
        workers: number of processes that decode; 0 decodes in this thread.
        order: the order of the samples within a span; by default that of the data set.
        cache: a cache from which images are taken instead of being decoded, and to which the decoded ones are written.
        least_for_processes: number of images below which threads decode instead of processes.

    Raises:
        DatasetError: an image cannot be decoded. The message names it.
    """
    wanted = {span: np.arange(*span, dtype=np.int64) if order is None else order(span) for span in spans}
    plan = [(s, own[i : i + batch_size]) for s, own in wanted.items() for i in range(0, len(own), batch_size)]
    kept = {span: cached for span in spans if cache and (cached := cache.read(span)) is not None}
    decoded = _decoded(decoder, [index for span, index in plan if span not in kept], workers, least_for_processes)
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


def _decoded(
    decoder: Decoder, plan: Sequence[NDArray[np.int64]], workers: int, least_for_processes: int
) -> Generator[Any, None, None]:
    """Yield the images of each batch of the plan; a generator, so that closing it stops the workers."""
    if not workers:
        found: Iterator[Any] = (_stack(decoder.__getitems__(index.tolist())) for index in plan)
    elif sum(map(len, plan)) < least_for_processes:
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
    """Yield the images of each batch; several are decoded ahead, which hides the latency of remote images."""
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
    """Return the context that forks workers from a server process, which has imported their modules once.

    Forked from this process, they would inherit locks that its other threads hold and that nobody would release.
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
