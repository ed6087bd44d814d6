"""Texts that take seconds to make, kept below the user's cache folder for later processes."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of kept texts, below `$XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dawin" / "pages"


def kept(name: str, make: Callable[[], str]) -> str:
    """Return a text by its name: as an earlier process kept it, or made now and kept.

    A file that is damaged is made again, and a folder that cannot be written costs the time alone.

    Args:
        name: of the file; another version of the text has another name.
        make: returns the text.
    """
    path = cache_folder() / name
    with suppress(OSError, ValueError):
        digest, _, text = path.read_bytes().decode().partition("\n")
        if digest == _digest(text):
            return text
    text = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=path.parent, delete=False) as file:
            file.write(f"{_digest(text)}\n{text}")
        Path(file.name).replace(path)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
