"""Files that take seconds to make, kept below the user's cache folder for later processes on this machine."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Return the folder of a kind of kept files, below `$XDG_CACHE_HOME` or `~/.cache`; it may not exist yet.

    Args:
        kind: name of the folder.

    Example:
        >>> "/".join(cache_folder("pages").parts[-2:])
        'dawin/pages'
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dawin" / kind


def keep_file(path: Path, content: bytes) -> None:
    """Write a kept file completely or not at all; another process may be reading it, or writing the same.

    Args:
        path: of the file, below `cache_folder`.
        content: the file's bytes.

    Raises:
        OSError: the folder cannot be written, or the disk has no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            file.write(content)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            raise
