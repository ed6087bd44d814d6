"""Indices of shards, such as the place of each image in a tar file, kept on this machine's disk for the next run."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from storage.kept_files import cache_folder, keep_file
from tasks.datasets.files.folder import Folder

log = logging.getLogger("dawin.datasets")

Index = dict[str, NDArray[Any]]
"""Arrays of integers, each of one dimension."""

in_memory: dict[str, Index] = {}
"""The indices that this process has read, by digest: a run lists a data set several times."""

_MOST_BYTES = 512 * 1024**2  # of an unpacked index: 256 a sample, for as many samples as a data set may have


def packed_text(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return texts as an array of bytes; NumPy's arrays of text would pad each to the longest."""
    return np.frombuffer(json.dumps(list(texts)).encode(), np.uint8)


def unpacked_text(packed: NDArray[np.uint8]) -> list[str]:
    """Return the texts that `packed_text` packed."""
    texts: list[str] = json.loads(packed.tobytes())
    return texts


def index_of(folder: Folder, path: str, kind: str, read: Callable[[], Index], names: Sequence[str]) -> Index:
    """Return the index of a shard, which is read only once as long as it does not change.

    Args:
        folder: the folder of the shard.
        path: the shard's path.
        kind: the kind of index and its version, which changes when `read` returns other arrays.
        read: reads the shard and returns its index.
        names: names of the index's arrays.
    """
    entry = folder.entries.at(path)
    identity = {"kind": kind, "shard": f"{folder.url}/{path}", "entry": [entry.size, entry.etag, entry.changed]}
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if digest not in in_memory:
        kept = cache_folder("shards") / f"{digest}.npz"
        found = _load(kept, names)
        if found is None:
            found = read()
            _save(kept, found)
        in_memory[digest] = found
    return in_memory[digest]


def _load(path: Path, names: Sequence[str]) -> Index | None:
    try:
        with ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > _MOST_BYTES:
                return None
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names}
    except Exception:  # a damaged file raises errors of any class; the index is made again
        return None
    return found if all(array.ndim == 1 and array.dtype.kind in "iu" for array in found.values()) else None


def _save(path: Path, index: Index) -> None:
    """Write an index completely or not at all; log a warning if the disk has no room for it."""
    packed = BytesIO()
    np.savez_compressed(packed, **index)  # type: ignore[arg-type]  # the stubs take the arrays for options
    try:
        keep_file(path, packed.getvalue())
    except OSError as error:
        log.warning("shard index %s: cannot be kept (%s); the next run reads the shard again", path, error)
