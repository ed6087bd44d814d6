"""Batches of decoded images, in order, by worker processes where that pays."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerContext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import image_transform
from tasks.errors import DatasetError

Span = tuple[int, int]
"""A range of samples, `stop` excluded."""

_WORTH_WORKERS = 2048  # images; below it starting worker processes takes longer than decoding


class Batch(NamedTuple):
    """Consecutive samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    images: torch.Tensor
    """(n, 3, size, size) float32."""


class ImageFiles(Dataset[tuple[int, torch.Tensor] | DatasetError]):
    """Decodes one file at a time from an opened file system.

    A broken image is handed over as an error, not raised: a worker process would turn the exception's message
    into a traceback.
    """

    def __init__(self, filesystem: Any, root: str, paths: Sequence[str], preprocessing: Preprocessing) -> None:  # noqa: ANN401
        self._filesystem, self._root, self._paths = filesystem, root, paths
        self._preprocessing = preprocessing
        self._transform: Callable[[Image.Image], torch.Tensor] | None = None

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor] | DatasetError:
        if self._transform is None:  # made in the process that uses it: transforms need not be picklable
            self._transform = image_transform(self._preprocessing)
        path = f"{self._root}/{self._paths[index]}"
        try:
            with self._filesystem.open(path, "rb") as file, Image.open(file) as image:
                return index, self._transform(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = "not a picture of a known kind" if isinstance(error, UnidentifiedImageError) else str(error)
            return DatasetError(f"{path}: broken image ({(reason or repr(error)).splitlines()[0]})")

    def __len__(self) -> int:
        return len(self._paths)


def batches(
    files: ImageFiles, labels: NDArray[np.int32], spans: Sequence[Span], batch_size: int, workers: int
) -> Iterator[Batch]:
    """Yield the samples of the spans, in order; no batch crosses the border of a span.

    So a span's batches, and with them its numbers to the last bit, do not depend on which spans were done before.

    Args:
        files: the images.
        labels: (n,) of all samples.
        spans: which samples.
        batch_size: samples a batch, at most.
        workers: decoding processes; few images are decoded here whatever it says.

    Raises:
        DatasetError: an image cannot be decoded; it is named.
    """
    plan = [(span, range(s, min(s + batch_size, span[1]))) for span in spans for s in range(*span, batch_size)]
    if sum(len(indices) for _, indices in plan) < _WORTH_WORKERS:
        workers = 0
    loader: DataLoader[Any] = DataLoader(
        files,
        batch_sampler=[list(indices) for _, indices in plan],
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context=_forkserver() if workers else None,
    )
    for (span, indices), images in zip(plan, loader, strict=True):
        if isinstance(images, DatasetError):
            raise images
        index = np.arange(indices.start, indices.stop, dtype=np.int64)
        yield Batch(span, index, labels[indices.start : indices.stop], images)


def _forkserver() -> ForkServerContext:
    """Return the way workers start: forked, but not from here, where they would inherit locks of threads they lack.

    The server that they are forked from imports once what they need.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _collate(items: list[tuple[int, torch.Tensor] | DatasetError]) -> torch.Tensor | DatasetError:
    tensors = []
    for item in items:
        if isinstance(item, DatasetError):
            return item
        tensors.append(item[1])
    return torch.stack(tensors)
