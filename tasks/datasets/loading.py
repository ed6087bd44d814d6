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
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from tasks.datasets.image_cache import ImageCache, Span
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import cropping
from tasks.errors import DatasetError

_WORTH_PROCESSES = 2048  # images; below it starting worker processes takes longer than decoding
_AHEAD = 2  # batches that threads decode before they are asked for

Order = Callable[[Span], NDArray[np.int64]]
"""From a span to its samples, in the order in which they are wanted."""


class Batch(NamedTuple):
    """Some samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    images: torch.Tensor
    """(n, 3, size, size), bytes: cropped, not normalised."""


class ImageFiles(Dataset[torch.Tensor | DatasetError]):
    """Decodes one file at a time from an opened file system.

    A broken image is handed over as an error, not raised: a worker process would turn the exception's message
    into a traceback.
    """

    def __init__(self, filesystem: Any, root: str, paths: Sequence[str], preprocessing: Preprocessing) -> None:  # noqa: ANN401
        self._filesystem, self._root, self._paths = filesystem, root, paths
        self._preprocessing = preprocessing
        self._transform: Callable[[Image.Image], torch.Tensor] | None = None

    def __getitem__(self, index: int) -> torch.Tensor | DatasetError:
        if self._transform is None:  # made in the process that uses it: transforms need not be picklable
            self._transform = cropping(self._preprocessing)
        path = f"{self._root}/{self._paths[index]}"
        try:
            with self._filesystem.open(path, "rb") as file, Image.open(file) as image:
                return self._transform(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = "not a picture of a known kind" if isinstance(error, UnidentifiedImageError) else str(error)
            return DatasetError(f"{path}: broken image ({(reason or repr(error)).splitlines()[0]})")

    def __len__(self) -> int:
        return len(self._paths)


def batches(
    files: ImageFiles,
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
        files: the images.
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
    decoded = _decoded(files, [index for span, index in plan if span not in kept], workers)
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


def _decoded(files: ImageFiles, plan: Sequence[NDArray[np.int64]], workers: int) -> Generator[Any, None, None]:
    """Yield the images of each piece of the plan; a generator, so that closing it stops the workers."""
    if not workers:
        found: Iterator[Any] = (_stack([files[int(i)] for i in index]) for index in plan)
    elif sum(map(len, plan)) < _WORTH_PROCESSES:
        found = _by_threads(files, plan, workers)
    else:
        found = iter(_by_processes(files, plan, workers))
    for images in found:
        if isinstance(images, DatasetError):
            raise images
        yield images


def _by_processes(files: ImageFiles, plan: Sequence[NDArray[np.int64]], workers: int) -> DataLoader[Any]:
    return DataLoader(
        files,
        batch_sampler=[index.tolist() for index in plan],
        num_workers=workers,
        collate_fn=_stack,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context=_forkserver(),
    )


def _by_threads(files: ImageFiles, plan: Sequence[NDArray[np.int64]], workers: int) -> Iterator[Any]:
    """Decode a few batches ahead; several files at a time, which hides how long a remote one takes to come."""
    with ThreadPoolExecutor(4 * workers) as pool:
        ahead: deque[list[Future[torch.Tensor | DatasetError]]] = deque()
        try:
            for index in plan:
                ahead.append([pool.submit(files.__getitem__, int(i)) for i in index])
                if len(ahead) > _AHEAD:
                    yield _stack([future.result() for future in ahead.popleft()])
            while ahead:
                yield _stack([future.result() for future in ahead.popleft()])
        finally:
            for future in (future for batch in ahead for future in batch):
                future.cancel()


def _forkserver() -> ForkServerContext:
    """Return the way workers start: forked, but not from here, where they would inherit locks of threads they lack.

    The server that they are forked from imports once what they need.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _stack(items: list[torch.Tensor | DatasetError]) -> torch.Tensor | DatasetError:
    tensors = []
    for item in items:
        if isinstance(item, DatasetError):
            return item
        tensors.append(item)
    return torch.stack(tensors)
