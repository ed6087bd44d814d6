"""Addresses as results hold them: results are passed on, and nobody's home folder is."""

from pathlib import Path, PurePosixPath

from storage.filesystem import scheme_of
from storage.store import Store

_HOMES = {"/home", "/Users"}


def published(url: str, store: Store) -> str:
    """Return an address as results hold it.

    What lies in a bucket or on the Hub keeps its address. A file below the store is `store:` and its path from there.
    Of any other local file only its name and that of its folder are left; of one that lies directly in somebody's home
    folder, its name. Which file it was is said by the digest of its content, not by its address.

    Args:
        url: full, as references hold it.
        store: where the results are kept.
    """
    if scheme_of(url) != "file" or not url.startswith("file://"):
        return url
    path = PurePosixPath(url.removeprefix("file://"))
    if store.scheme == "file" and path.is_relative_to(root := store.url.removeprefix("file://")):
        return f"store:{path.relative_to(root)}"
    return path.name if _is_home(path.parent) else "/".join(path.parts[1:][-2:])


def _is_home(folder: PurePosixPath) -> bool:
    return str(folder) in (str(Path.home()), "/root") or str(folder.parent) in _HOMES
