"""Whether the source files of this project have changed since a process imported them."""

import os
import sys
from contextlib import suppress

_PACKAGES = ("dawin", "flows", "storage", "tasks")


class LoadedCode:
    """The modules of the project that this process has imported, with the state of their files."""

    def __init__(self) -> None:
        paths = {
            path
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in _PACKAGES and (path := getattr(module, "__file__", None))
        }
        self._files = {path: _stamp(path) for path in paths}

    def changed(self) -> str | None:
        """Return the path of a file that is not as it was; None if all are."""
        return next((path for path, stamp in self._files.items() if _stamp(path) != stamp), None)


def _stamp(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size
    return None
