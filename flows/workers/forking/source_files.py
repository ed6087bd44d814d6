"""Whether the source files of this project have changed since a process started."""

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("dawin", "flows", "storage", "tasks")


class SourceFiles:
    """The source files in some folders and their state at this moment; made before their import.

    A file that changes between this moment and its import counts as changed, so that a process never goes on with a
    mixture of two versions.

    Args:
        folders: the folders to search; by default those of the project's packages.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        chosen = _packages() if folders is None else folders
        self._files = {path: _stamp(path) for folder in chosen for path in folder.rglob("*.py")}

    def changed(self) -> Path | None:
        """Return the path of a file that is not as it was, or not there any more; None if all are."""
        return next((path for path, stamp in self._files.items() if _stamp(path) != stamp), None)


def _packages() -> list[Path]:
    specs = [find_spec(name) for name in _PACKAGES]
    return [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]


def _stamp(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size
    return None
