"""Shards told apart: those of one split, all of them, and nothing else."""

import re
from collections.abc import Sequence

from tasks.datasets.opened import OpenedFolder
from tasks.errors import DatasetError

_WORDS = re.compile(r"(?:^|[/_.-])(train|training|val|valid|validation|dev|test|testing)(?=[/_.-]|\d|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)-(\d+)-of-(\d+)(?:-[0-9a-f]+)?\.[a-z]+$")


def check_split(folder: OpenedFolder, paths: Sequence[str]) -> None:
    """Refuse shards of several splits, and a split of which shards are missing.

    Raises:
        DatasetError: with the splits, or the shards that there should be.
    """
    splits = sorted({_split(path) for path in paths})
    if len(splits) > 1:
        suffix = paths[0].rpartition(".")[2]
        told = ", ".join(split or "others" for split in splits)
        raise DatasetError(f"{folder.url}: splits {told}; name one, such as its folder, or {splits[-1]}-*.{suffix}")
    matches = [_NUMBERED.match(path) for path in paths]
    found = [(int(match[2]), int(match[3])) for match in matches if match]
    if found and not folder.is_chosen:
        missing = sorted(set(range(found[0][1])) - {number for number, _ in found})
        if missing:
            raise DatasetError(
                f"{folder.url}: {len(missing)} of {found[0][1]} shards are missing, first {missing[0]:05d}"
            )


def _split(path: str) -> str:
    """Return the split that a shard's path tells: a word for one, or what stands before its number."""
    numbered = _NUMBERED.match(path)
    words = [word.lower() for word in _WORDS.findall(path.rpartition(".")[0])]
    return words[0] if words else numbered[1].rpartition("/")[2] if numbered else ""
