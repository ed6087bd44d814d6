"""Names for models and data sets, from the names of their files."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

_LONGEST = 60  # characters; a name is a column of tables
_SAYS_LITTLE = frozenset(
    {"model", "checkpoint", "finetuned", "fine-tuned", "last", "best", "final", "state", "weights"}
)
"""Names of files that many folders hold; the folder's name says more."""


def slug(text: str, empty: str = "experiment") -> str:
    """Return a text as a name that settings accept: lower case, begins with a letter, no spaces.

    Args:
        text: the name of a file or a folder.
        empty: the name where nothing is left.

    Example:
        >>> slug("My Model (v2)"), slug("2024-run")
        ('my-model-v2', 'n2024-run')
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:_LONGEST].rstrip("-._")
    return (plain if plain[0].isalpha() else f"n{plain}") if plain else empty


def plain(text: str) -> str:
    """Return the letters and digits of a text in lower case, by which names are compared.

    Example:
        >>> plain("Stanford_Cars") == plain("stanford-cars")
        True
    """
    return re.sub(r"[^a-z0-9]", "", text.lower())


def words(text: str) -> list[str]:
    """Return the words of a name.

    Example:
        >>> words("ImageNet-val_clean.2")
        ['imagenet', 'val', 'clean', '2']
    """
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Return a name for each path: its last part, with as many of the parts before it as make the names distinct.

    Args:
        paths: paths of files without their suffixes, or of folders; `/` between the parts.

    Example:
        >>> distinct_names(["SUN397/finetuned", "Cars/finetuned", "zeroshot"])
        ['sun397', 'cars', 'zeroshot']
        >>> distinct_names(["noise/1", "noise/2"])
        ['noise-1', 'noise-2']
    """
    parts = [PurePosixPath(path).parts for path in paths]
    chosen = [_joined(part, 1) for part in parts]
    for depth in range(2, max(map(len, parts), default=0) + 1):
        counts = Counter(chosen)
        unclear = [counts[name] > 1 or not re.search("[a-mo-z]", name) for name in chosen]
        longer = [_joined(part, depth) for part in parts]
        chosen = [new if again else name for name, new, again in zip(chosen, longer, unclear, strict=True)]
    seen = Counter[str]()
    for i, name in enumerate(chosen):
        seen[name] += 1
        chosen[i] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return chosen


def _joined(parts: Sequence[str], depth: int) -> str:
    """Return the last parts of a path as a name, without a file's name that says little beside its folder's."""
    kept = list(parts[-depth:])
    if len(kept) > 1 and slug(kept[-1]) in _SAYS_LITTLE:
        kept.pop()
    return slug("-".join(kept))
