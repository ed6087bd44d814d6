"""The files below a folder that may be checkpoints or belong to data sets, by folder."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flows.errors import ExperimentError
from flows.planning.checkpoint_records import CHECKPOINT_FILES
from storage import keys
from storage.text import shown

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
_OF_TRAINING = ("optimizer", "scheduler", "rng_state", "training_args", "scaler")  # saved beside a model's weights
_SKIPPED = frozenset({"__pycache__", "__MACOSX", "node_modules", "site-packages"})
_OF_A_STORE = frozenset({"results", "plans"})  # a store of ours: its made models are no inputs
_MOST_FILES = 5_000_000


def files_below(root: Path) -> dict[str, list[str]]:
    """Return the names of the files in each folder below a root, by the folder's path relative to it.

    Hidden folders, stores of ours and folders of software are left out. The root is the folder `""`.

    Raises:
        ExperimentError: the folder does not exist, is a file, or holds too many files.
    """
    if not root.exists():
        beside = sorted(entry.name for entry in _entries(root.absolute().parent) if entry.is_dir())
        known = ", ".join(map(shown, beside[:10])) or "no folders"
        raise ExperimentError(f"{root}: no such folder; {root.absolute().parent} holds {known}")
    if not root.is_dir():
        raise ExperimentError(f"{root}: wanted a folder with checkpoints and images, got a file")
    found: dict[str, list[str]] = {}
    count, seen = 0, set[tuple[int, int]]()
    for place, folders, files in os.walk(root, followlinks=True):
        own = os.stat(place)
        if (own.st_dev, own.st_ino) in seen:  # a link to a folder that was looked into
            folders.clear()
            continue
        seen.add((own.st_dev, own.st_ino))
        is_store = _OF_A_STORE.issubset(folders)
        kept = [name for name in folders if not is_store and name not in _SKIPPED and not name.startswith(".")]
        folders[:] = sorted(kept)
        relative = os.path.relpath(place, root).replace(os.sep, "/")
        found["" if relative == "." else relative] = sorted(name for name in files if not name.startswith("."))
        count += len(files)
        if count > _MOST_FILES or len(Path(place).parts) - len(root.parts) > 50:
            raise ExperimentError(f"{root}: too many files or folders; name the inputs with --checkpoint and --images")
    return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def checkpoint_paths(tree: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the paths of files, and of folders as on the Hugging Face Hub, that may be checkpoints or heads, sorted.

    Args:
        tree: from `files_below`.
    """
    found = []
    for folder, names in tree.items():
        files = [name for name in names if name.endswith(CHECKPOINT_SUFFIXES)]
        files = [name for name in files if f"{name}{keys.MANIFEST_SUFFIX}" not in names]
        files = [name for name in files if not name.startswith(_OF_TRAINING)]
        of_hub = [name for name in CHECKPOINT_FILES if name in files]
        if of_hub and folder and ("config.json" in names or set(files) <= set(CHECKPOINT_FILES)):
            found.append(folder)
        else:
            found += [f"{folder}/{name}" if folder else name for name in files]
    return sorted(found)
