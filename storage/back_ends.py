"""The back ends of a store: how memory, a local folder and S3 read, write and list objects."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.local_reading import list_files, read_file
from storage.local_writing import exchange_file, move_file, write_file
from storage.s3_listing import first_pages
from storage.s3_reading import get_with_mark
from storage.s3_writing import honours_conditions, put, try_to_write
from storage.stored import Stored, stored_elsewhere, stored_file


@dataclass(frozen=True)
class BackEnd:
    """One store's back end. Its errors are those of the file system.

    Args:
        scheme: `file`, `memory` or `s3`.
        filesystem: fsspec's file system, which publishes no types.
        root: the path of the store's folder, on S3 the bucket and the prefix.
    """

    scheme: str
    filesystem: Any
    root: str

    def path(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.root}/{key}"

    def read_marked(self, key: str) -> tuple[bytes, str]:
        """Return an object's bytes and its mark; on S3 this is one request."""
        if self.scheme == "s3":
            return get_with_mark(self.filesystem, self.path(key))
        mark = self.stat(key).mark  # before the bytes: the mark of an object that changes meanwhile fits nothing later
        return self.read(key), mark

    def read(self, key: str) -> bytes:
        """Return an object's bytes; on S3, several requests at a time fetch a large one."""
        if self.scheme == "file":
            return read_file(self.path(key))
        content: bytes = self.filesystem.cat_file(self.path(key))
        return content

    def write(self, key: str, content: bytes, *, exclusive: bool, expected: str = "") -> str:
        """Write an object and return its mark, empty where only `stat` shows it.

        Raises:
            FileExistsError: the key is taken and the writing is exclusive; the error has no `filename`.
            ObjectChanged: the object has not the expected mark.
        """
        if self.scheme == "file" and expected:
            exchange_file(Path(self.root), Path(self.path(key)), content, expected)
        elif self.scheme == "file":
            write_file(Path(self.root), Path(self.path(key)), content, exclusive=exclusive)
        elif self.scheme == "s3":
            return put(self.filesystem, self.path(key), content, if_free=exclusive, expected=expected)
        else:
            self.filesystem.pipe_file(self.path(key), content, mode="create" if exclusive else "overwrite")
        return ""

    def upload(self, key: str, source: Path) -> Stored:
        """Move a file of this machine to a key; return its size, and its mark where that is known at once."""
        size, mark = source.stat().st_size, ""
        if self.scheme == "file":
            mark = move_file(Path(self.root), source, Path(self.path(key)))
        else:
            self.filesystem.put_file(str(source), self.path(key))
            source.unlink()
        return Stored(size, mark)

    def stat(self, key: str) -> Stored:
        """Return an object's size and mark."""
        if self.scheme == "file":
            return stored_file(os.stat(self.path(key)))
        return stored_elsewhere(self.filesystem.info(self.path(key)))

    def delete(self, key: str) -> None:
        """Remove an object, if it exists."""
        if self.scheme == "s3":  # whose DELETE succeeds either way, and has this error for a missing bucket alone
            self.filesystem.rm_file(self.path(key))
        else:
            with suppress(FileNotFoundError):
                self.filesystem.rm_file(self.path(key))

    def listing(self, prefix: str, pages: int) -> tuple[dict[str, Stored], bool]:
        """Return the objects below a folder by key, sorted, and whether these are all.

        Args:
            prefix: the folder; empty for the whole store.
            pages: the most requests to S3, of a thousand keys each; 0: no limit.
        """
        folder, is_whole = self.path(prefix).rstrip("/"), True
        found: Mapping[str, Stored]
        if self.scheme == "s3":
            found, is_whole = first_pages(self.filesystem, folder, pages)
        elif self.scheme == "file":
            found = {f"{folder}/{path}": stored_file(status) for path, status in list_files(folder)}
        else:
            found = {path: stored_elsewhere(info) for path, info in self.filesystem.find(folder, detail=True).items()}
        start = len(self.root.rstrip("/")) + 1
        return {path[start:]: found[path] for path in sorted(found)}, is_whole

    def is_exclusive(self, free: str) -> bool:
        """Return whether exclusive writing never overwrites an object.

        Args:
            free: a key that is free, to ask a server that this process has not asked yet.
        """
        return self.scheme != "s3" or honours_conditions(self.filesystem, self.root, free)

    def try_to_write(self, free: str) -> None:
        """Write a small object and remove it.

        Args:
            free: a key that is free.
        """
        if self.scheme == "s3":
            try_to_write(self.filesystem, self.root, free)
        else:
            self.write(free, b"", exclusive=False)
            self.delete(free)
