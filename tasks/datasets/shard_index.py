"""What is found out about a shard by reading through it, kept on this machine's disk: the next run need not."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.image_cache import default_folder
from tasks.datasets.opened import OpenedFolder

log = logging.getLogger("dawin.datasets")

Index = dict[str, NDArray[Any]]

_held: dict[str, Index] = {}  # those of this process: a data set is listed several times in a run


def index_of(folder: OpenedFolder, path: str, kind: str, read: Callable[[], Index]) -> Index:
    """Return a shard's index, read at most once while the shard does not change.

    Args:
        folder: where the shard is.
        path: its name there.
        kind: what sort of index, with a version that is raised when `read` comes to find something else.
        read: reads through the shard; arrays of numbers and text.
    """
    identity = {"kind": kind, "shard": f"{folder.url}/{path}", "entry": list(folder.entries[path])}
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    if digest not in _held:
        kept = default_folder().parent / "shards" / f"{digest}.npz"
        found = _load(kept)
        if found is None:
            found = read()
            _save(kept, found)
        _held[digest] = found
    return _held[digest]


def _load(path: Path) -> Index | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception:  # whatever a damaged file raises: it is made anew
        return None


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
