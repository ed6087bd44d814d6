"""Decoded images kept on this machine's disk, so that a second pass over a data set need not decode them again."""

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


def default_folder() -> Path:
    """Return where decoded images are kept: below `$XDG_CACHE_HOME`, or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dawin" / "images"


class ImageCache:
    """The decoded images of one data set, a file a span, whole or not at all.

    All data sets in a folder share its bound. When it is reached, the spans that were not used for longest go; spans
    of the data set at hand never make way for one another, since a pass in order would then find none of them.

    Args:
        folder: where the files are.
        digest: of the data set, preprocessing included.
        size: pixels, of the square.
        limit: bytes, of all files.
    """

    def __init__(self, folder: Path, digest: str, size: int, limit: int) -> None:
        self._folder, self._digest, self._size, self._limit = folder, digest, size, limit
        self._filling: dict[Span, tuple[Path, np.memmap[Any, np.dtype[np.uint8]], set[int]]] = {}
        self._refused: set[Span] = set()

    def read(self, span: Span) -> NDArray[np.uint8] | None:
        """Return the images (n, 3, size, size) of a span, mapped, or None if they are not here."""
        path = self._path(span)
        try:
            images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
            os.utime(path)
        except (OSError, ValueError):
            return None
        return images if images.shape == self._shape(span) else None

    def write(self, span: Span, offsets: NDArray[np.int64], images: NDArray[np.uint8]) -> None:
        """Take some images of a span; once all of them are here the span can be read.

        What does not fit is let go, and so is everything when the folder cannot be used: a cache is no reason to fail.
        """
        try:
            self._write(span, offsets, images)
        except OSError as error:
            log.warning("image cache %s: cannot be used (%s); going on without", self._folder, error)
            self._filling.pop(span, None)
            self._limit = 0

    def _write(self, span: Span, offsets: NDArray[np.int64], images: NDArray[np.uint8]) -> None:
        if span not in self._filling and not self._begin(span):
            return
        path, rows, there = self._filling[span]
        rows[offsets] = images
        there.update(offsets.tolist())
        if len(there) == len(rows):
            rows.flush()
            del self._filling[span], rows
            path.rename(self._path(span))

    def close(self) -> None:
        """Remove what was begun and not completed."""
        for path, _, _ in self._filling.values():
            path.unlink(missing_ok=True)
        self._filling.clear()

    def _begin(self, span: Span) -> bool:
        if span in self._refused or not self._limit or not self._make_room(int(np.prod(self._shape(span)))):
            self._refused.add(span)
            return False
        path = self._folder / f"{uuid.uuid4().hex}-{platform.node()}-{os.getpid()}.part"
        rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=self._shape(span))
        with path.open("r+b") as file:  # now, not when a page cannot be written any more
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        self._filling[span] = path, rows, set()
        return True

    def _make_room(self, wanted: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        there = []
        for entry in self._folder.iterdir():
            with suppress(FileNotFoundError):  # others tidy up too
                if _is_abandoned(entry):
                    entry.unlink()
                else:
                    there.append((entry, entry.stat()))
        used = sum(stat.st_size for _, stat in there)
        others = sorted((e for e in there if not e[0].name.startswith(self._digest)), key=lambda e: e[1].st_mtime)
        if used - sum(stat.st_size for entry, stat in others if entry.suffix == ".npy") + wanted > self._limit:
            return False
        for entry, stat in others:
            if used + wanted <= self._limit:
                break
            if entry.suffix == ".npy":  # not what another process is filling
                with suppress(FileNotFoundError):
                    entry.unlink()
                used -= stat.st_size
        return True

    def _path(self, span: Span) -> Path:
        return self._folder / f"{self._digest}-{span[0]:08d}-{span[1] - 1:08d}.npy"

    def _shape(self, span: Span) -> tuple[int, int, int, int]:
        return (span[1] - span[0], 3, self._size, self._size)


def _is_abandoned(path: Path) -> bool:
    """Tell whether a file was being filled by a process that has ended: here it is gone, elsewhere silent."""
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
