"""The files of a snapshot on the Hub, listed once for all runs.

A snapshot is the folder of one commit in the Hub's cache. Its files are links to blobs that are named by the hashes of
their contents, so that no file changes under its name, and the times of the folders show that a link was added, removed
or replaced. A look at the folders therefore proves that a kept listing still holds. In other local folders a file's
content can change without a trace in the folder; these are listed each time.
"""

import hashlib
import json
import logging
import os
import time
from pathlib import Path

import pyarrow as pa

from storage.file_table import FileTable
from storage.kept_files import cache_folder, keep_file
from storage.local_files import walked

log = logging.getLogger("dawin.storage")

_SETTLED = 2 * 10**9  # nanoseconds: a folder's time may stay the same for changes that follow each other so fast
_LEAST = 10_000  # files; fewer are listed in less time than a kept listing is worth
_FOLDERS = b"folders"
_DIGEST = 64  # hex digits before the table


def snapshot_files(root: str) -> FileTable:
    """Return the files below a folder of a snapshot in the Hub's cache.

    Args:
        root: the folder's path.

    Raises:
        OSError: the folder cannot be listed.
    """
    kept = _place(root)
    if (found := _load(kept)) is not None:
        return found
    began = time.time_ns()
    files, folders = walked(root)
    marks = {folder: _mark(folder) for folder in folders}
    newest = max(max(times) for times in marks.values())
    if len(files) >= _LEAST and files.has_all_etags() and newest < began - _SETTLED:
        _save(kept, files, marks)
    return files


def _place(root: str) -> Path:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()
    return cache_folder("listings") / f"{digest}.arrow"


def _mark(folder: str) -> list[int]:
    """Return the times of a folder: of the last change of its links, and of anything, which no user can set."""
    found = os.stat(folder)
    return [found.st_mtime_ns, found.st_ctime_ns]


def _load(path: Path) -> FileTable | None:
    """Return a kept listing; None if none is kept, if it is damaged, or if a folder has changed since."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(memoryview(content)[_DIGEST:]).hexdigest().encode() != content[:_DIGEST]:
            return None
        with pa.ipc.open_file(pa.py_buffer(memoryview(content)[_DIGEST:])) as reader:
            table = reader.read_all()
        folders = json.loads(table.schema.metadata[_FOLDERS])
        is_same = all(_mark(folder) == mark for folder, mark in folders.items())
    except Exception:  # a damaged file raises errors of any class; the folder is listed again
        return None
    return FileTable.from_arrow(table) if is_same else None


def _save(path: Path, files: FileTable, marks: dict[str, list[int]]) -> None:
    """Write a listing completely or not at all; log a warning if the disk has no room for it."""
    table = files.to_arrow().replace_schema_metadata({_FOLDERS: json.dumps(marks)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    try:
        keep_file(path, hashlib.sha256(content).hexdigest().encode() + content)
    except OSError as error:
        log.warning("listing %s: cannot be kept (%s); the next run lists the snapshot again", path, error)
