"""A cache of decoded images on this machine's disk, for further passes over a data set."""

import logging
import os
import platform
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.spans import Span

log = logging.getLogger("dawin.cache")

_A_DAY = 86_400.0  # seconds


class ImageCache:
    """The decoded images of one data set; each span is one file, written completely or not at all.

    All data sets in a folder share its limit. A span that would exceed it evicts the least recently used spans of
    other data sets, but none of its own: each pass in order would then evict the spans that the next one needs first.

    Args:
        folder: folder of the files.
        digest: digest of the data set, including its preprocessing.
        size: side of the square images, in pixels.
        limit: bytes of all files in the folder.
    """

    def __init__(self, folder: Path, digest: str, size: int, limit: int) -> None:
        self._folder, self._digest, self._size, self._limit = folder, digest, size, limit
        self._filling: dict[Span, tuple[Path, np.memmap[Any, np.dtype[np.uint8]], set[int]]] = {}
        self._refused: set[Span] = set()

    def read(self, span: Span) -> NDArray[np.uint8] | None:
        """Return the images (n, 3, size, size) of a span as a memory map; None if the cache does not hold the span."""
        path = self._path(span)
        try:
            images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
            os.utime(path)
        except (OSError, ValueError):
            return None
        return images if images.shape == self._shape(span) else None

    def write(self, span: Span, offsets: NDArray[np.int64], images: NDArray[np.uint8]) -> None:
        """Add images of a span, which can be read as soon as all of its images have been added.

        Spans that do not fit are dropped. If the folder cannot be used, a warning is logged and the cache stays empty.

        Args:
            span: the span.
            offsets: (n,) places of the images within the span.
            images: (n, 3, size, size), uint8.
        """
        try:
            self._write(span, offsets, images)
        except OSError as error:
            log.warning("image cache %s: cannot be used (%s); images are decoded on every pass", self._folder, error)
            self._filling.pop(span, None)
            self._limit = 0

    def _write(self, span: Span, offsets: NDArray[np.int64], images: NDArray[np.uint8]) -> None:
        if span not in self._filling and not self._begin(span):
            return
        path, rows, written = self._filling[span]
        rows[offsets] = images
        written.update(offsets.tolist())
        if len(written) == len(rows):
            rows.flush()
            del self._filling[span], rows
            path.rename(self._path(span))

    def close(self) -> None:
        """Remove the files of spans that are incomplete."""
        for path, _, _ in self._filling.values():
            path.unlink(missing_ok=True)
        self._filling.clear()

    def _begin(self, span: Span) -> bool:
        if span in self._refused or not self._limit or not self._make_room(int(np.prod(self._shape(span)))):
            self._refused.add(span)
            return False
        path = self._folder / f"{uuid.uuid4().hex}-{platform.node()}-{os.getpid()}.part"
        rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=self._shape(span))
        with path.open("r+b") as file:  # a full disk is found now; writing to a map would kill the process
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        self._filling[span] = path, rows, set()
        return True

    def _make_room(self, wanted: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        present = []
        for entry in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another process may remove it meanwhile
                if _is_abandoned(entry):
                    entry.unlink()
                else:
                    present.append((entry, entry.stat()))
        used = sum(stat.st_size for _, stat in present)
        others = sorted((e for e in present if not e[0].name.startswith(self._digest)), key=lambda e: e[1].st_mtime)
        if used - sum(stat.st_size for entry, stat in others if entry.suffix == ".npy") + wanted > self._limit:
            return False
        for entry, stat in others:
            if used + wanted <= self._limit:
                break
            if entry.suffix == ".npy":  # other files belong to processes that are filling them
                with suppress(FileNotFoundError):
                    entry.unlink()
                used -= stat.st_size
        return True

    def _path(self, span: Span) -> Path:
        return self._folder / f"{self._digest}-{span[0]:08d}-{span[1] - 1:08d}.npy"

    def _shape(self, span: Span) -> tuple[int, int, int, int]:
        return (span[1] - span[0], 3, self._size, self._size)


def _is_abandoned(path: Path) -> bool:
    """Return whether the process that was filling a file has ended; on another machine, whether a day has passed."""
    if path.suffix != ".part":
        return False
    _, _, rest = path.stem.partition("-")
    machine, _, process = rest.rpartition("-")
    if machine != platform.node():
        return time.time() - path.stat().st_mtime > _A_DAY
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        return False
    return False
