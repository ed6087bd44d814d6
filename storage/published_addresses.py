"""Addresses as results hold them: results are published, and must not show a user's home folder."""

from pathlib import Path, PurePosixPath

from storage.filesystem import scheme_of
from storage.store import Store

_HOMES = {"/home", "/Users"}


def published(url: str, store: Store) -> str:
    """Return an address in the form that results hold.

    A file in a bucket or on the Hub keeps its address. A file below the store becomes `store:` with its path from
    there. Any other local file keeps its name and that of its folder, or its name alone if the folder is a home folder.
    The digest of the content identifies the file, and its address does not matter.

    Args:
        url: the full address, as references hold it.
        store: the store that keeps the results.

    Example:
        >>> published("file:///home/somebody/run7/tuned.pt", Store("s3://bucket/store"))
        'run7/tuned.pt'
    """
    if scheme_of(url) != "file" or not url.startswith("file://"):
        return url
    path = PurePosixPath(url.removeprefix("file://"))
    if store.scheme == "file" and path.is_relative_to(root := store.url.removeprefix("file://")):
        return f"store:{path.relative_to(root)}"
    return path.name if _is_home(path.parent) else "/".join(path.parts[1:][-2:])


def _is_home(folder: PurePosixPath) -> bool:
    return str(folder) in (str(Path.home()), "/root") or str(folder.parent) in _HOMES
