"""What is found out about a shard by reading through it, kept on this machine's disk: the next run need not."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.image_cache import default_folder
from tasks.datasets.readers.folder import Folder

log = logging.getLogger("dawin.datasets")

Index = dict[str, NDArray[Any]]

_MOST_BYTES = 512 * 1024**2  # of an index, unpacked: 256 a sample, of as many as a data set may have

_held: dict[str, Index] = {}  # those of this process: a data set is listed several times in a run


def packed_text(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return texts as an array of bytes: NumPy's own arrays of text make each as long as the longest."""
    return np.frombuffer(json.dumps(list(texts)).encode(), np.uint8)


def unpacked_text(packed: NDArray[np.uint8]) -> list[str]:
    """Return the texts of `packed_text`."""
    texts: list[str] = json.loads(packed.tobytes())
    return texts


def index_of(folder: Folder, path: str, kind: str, read: Callable[[], Index], names: Sequence[str]) -> Index:
    """Return a shard's index, read at most once while the shard does not change.

    Args:
        folder: where the shard is.
        path: its name there.
        kind: what sort of index, with a version that is raised when `read` comes to find something else.
        read: reads through the shard.
        names: of the arrays it finds, each of one dimension and of whole numbers.
    """
    entry = folder.entries[path]
    identity = {"kind": kind, "shard": f"{folder.url}/{path}", "entry": [entry.size, entry.etag, entry.changed]}
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if digest not in _held:
        kept = default_folder().parent / "shards" / f"{digest}.npz"
        found = _load(kept, names)
        if found is None:
            found = read()
            _save(kept, found)
        _held[digest] = found
    return _held[digest]


def _load(path: Path, names: Sequence[str]) -> Index | None:
    try:
        with ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > _MOST_BYTES:
                return None
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
    except Exception:  # whatever a damaged file raises: it is made anew
        return None
    return found if all(array.ndim == 1 and array.dtype.kind in "iu" for array in found.values()) else None


def _save(path: Path, index: Index) -> None:
    """Write an index whole or not at all; a machine without room for it does without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            try:
                np.savez_compressed(file, **index)  # type: ignore[arg-type]  # its stubs take them for options
                file.close()
                os.replace(file.name, path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        log.warning("shard index %s: cannot be kept (%s); going on without", path, error)
