"""Arrays for many passes: read once from their source, then from a temporary file."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from tasks.numerics.checks import Floats

log = logging.getLogger("dawin.fitting")


class Spooled:
    """Arrays that the first complete pass copies to a temporary file, from which later passes read them.

    A pass over the file is many times faster than decoding a table, and asks nothing of S3. The file has no name, so
    that nothing of it stays when the process is killed. It lies in the folder that the variable `TMPDIR` names. Without
    room for it, each pass reads the source.

    Args:
        source: can be iterated several times.
        size: bytes of all arrays, at most.

    Example:
        >>> spooled = Spooled([np.array([0.25]), np.array([0.5, 0.75])], 24)
        >>> list(spooled), list(spooled)
        ([array([0.25]), array([0.5 , 0.75])], [array([0.25]), array([0.5 , 0.75])])
    """

    def __init__(self, source: Iterable[Floats], size: int) -> None:
        self._source = source
        self._has_room = shutil.disk_usage(tempfile.gettempdir()).free > 2 * size
        self._file: IO[bytes] | None = None
        self._shapes: list[tuple[int, ...]] = []

    def __iter__(self) -> Iterator[Floats]:
        if self._file is not None:
            return self._read(self._file)
        return self._copied() if self._has_room else iter(self._source)

    def _copied(self) -> Iterator[Floats]:
        file, shapes = tempfile.TemporaryFile(prefix="dawin-"), list[tuple[int, ...]]()  # noqa: SIM115  lives with self
        for array in self._source:
            if self._has_room:
                try:
                    file.write(np.ascontiguousarray(array, np.float64).data)
                    file.flush()
                except OSError as error:
                    log.info("no room for a temporary copy of coefficients (%s): each pass reads the store", error)
                    self._has_room = False
                    file.close()
            shapes.append(array.shape)
            yield array
        if self._has_room:
            self._file, self._shapes = file, shapes

    def _read(self, file: IO[bytes]) -> Iterator[Floats]:
        offset = 0
        for shape in self._shapes:
            array = np.empty(shape)
            view = array.reshape(-1).data.cast("B") if array.size else memoryview(b"")
            while len(view):
                read = os.preadv(file.fileno(), [view], offset)  # several passes may run at the same time
                if not read:
                    raise OSError(f"temporary file of coefficients: ended {len(view):,} bytes early")
                offset, view = offset + read, view[read:]
            yield array
