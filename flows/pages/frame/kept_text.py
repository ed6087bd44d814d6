"""Texts that take seconds to make, kept below the user's cache folder for later processes."""

import hashlib
from collections.abc import Callable
from contextlib import suppress

from storage.kept_files import cache_folder, keep_file


def kept(name: str, make: Callable[[], str]) -> str:
    """Return a text by its name: as an earlier process kept it, or made now and kept.

    A file that is damaged is made again, and a folder that cannot be written costs the time alone.

    Args:
        name: of the file; another version of the text has another name.
        make: returns the text.
    """
    path = cache_folder("pages") / name
    with suppress(OSError, ValueError):
        digest, _, text = path.read_bytes().decode().partition("\n")
        if digest == _digest(text):
            return text
    text = make()
    with suppress(OSError):
        keep_file(path, f"{_digest(text)}\n{text}".encode())
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
