"""The splits of sharded data sets, by the names of the shards."""

import re
from collections.abc import Sequence

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.errors import DatasetError

_WORDS = re.compile(r"(?:^|[/_.-])(train|training|val|valid|validation|dev|test|testing)(?=[/_.-]|\d|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)-(\d{1,9})-of-(\d{1,9})(?:-[0-9a-f]+)?\.[a-z]+$")


def check_split(folder: Folder, paths: Sequence[str]) -> None:
    """Refuse shards of several splits, or a split of which shards are missing.

    Args:
        folder: the folder of the shards. Missing shards are accepted if the user named the others.
        paths: the shards' paths.

    Raises:
        DatasetError: naming the splits, or the first missing shard.
    """
    splits = sorted({_split(path) for path in paths})
    if len(splits) > 1:
        suffix = paths[0].rpartition(".")[2]
        names = shown(", ".join(split or "others" for split in splits))
        raise DatasetError(
            f"{folder.url}: splits {names}; name one, such as its folder, or {shown(splits[-1])}-*.{suffix}"
        )
    matches = [_NUMBERED.match(path) for path in paths]
    found = [(int(match[2]), int(match[3])) for match in matches if match]
    if found and not folder.is_chosen:
        present, wanted = {number for number, _ in found}, found[0][1]
        missing = wanted - sum(number < wanted for number in present)
        if missing:
            first = next(number for number in range(wanted) if number not in present)
            raise DatasetError(f"{folder.url}: {missing} of {wanted} shards are missing, first {first:05d}")


def _split(path: str) -> str:
    """Return a shard's split: a word such as `test` in its path, or the part of its name before the number."""
    numbered = _NUMBERED.match(path)
    words = [word.lower() for word in _WORDS.findall(path.rpartition(".")[0])]
    return words[0] if words else numbered[1].rpartition("/")[2] if numbered else ""
