"""Identity: the digest of everything that an object's content depends on, and of nothing else."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

DIGEST_LENGTH = 16  # hex digits: 64 bits; among 100,000 objects, a collision has a chance of 1 in 4,000 million
_CHUNK = 1 << 20
_ITEMS = 4096  # of a list, encoded at a time
_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return the canonical JSON text of a mapping: keys sorted, no spaces, no NaN.

    Args:
        value: a mapping of values that JSON has; the order of its keys does not matter.

    Returns:
        The same text for equal mappings.

    Raises:
        ValueError: a number is not finite.
        TypeError: JSON has no such value.

    Example:
        >>> canonical_json({"seed": 1, "models": ["zeroshot", "finetuned"]})
        '{"models":["zeroshot","finetuned"],"seed":1}'
    """
    return _encoded(value)


def digest_of(identity: Mapping[str, Any]) -> str:
    """Return the digest of an identity: a mapping of everything that an object's content depends on.

    Args:
        identity: as `canonical_json` takes it.

    Returns:
        The first 16 hex digits of the SHA-256 of its canonical JSON.

    Raises:
        ValueError: a number is not finite.
        TypeError: JSON has no such value.

    Example:
        >>> digest_of({"clusters": 3, "seed": 1}) == digest_of({"seed": 1, "clusters": 3})
        True
        >>> digest_of({"clusters": 3, "seed": 1})
        '13418f315c09eebf'
    """
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:DIGEST_LENGTH]


def digest_in_pieces(identity: Mapping[str, Any], lists: Mapping[str, Iterable[Any]]) -> str:
    """Return the digest of an identity of which some values are lists too long to be held as one text.

    Args:
        identity: as `canonical_json` takes it, without those lists.
        lists: the items of the lists, by the keys that the identity does not hold.

    Returns:
        The same as `digest_of` of the identity with the lists in it.

    Raises:
        ValueError: a number is not finite.
        TypeError: JSON has no such value.

    Example:
        >>> digest_in_pieces({"seed": 1}, {"names": iter(["a", "b"])}) == digest_of({"names": ["a", "b"], "seed": 1})
        True
    """
    running = hashlib.sha256(b"{")
    for number, key in enumerate(sorted({*identity, *lists})):
        running.update(f"{',' if number else ''}{_encoded(key)}:".encode())
        if key in lists:
            for piece in _list_in_pieces(lists[key]):
                running.update(piece.encode())
        else:
            running.update(_encoded(identity[key]).encode())
    running.update(b"}")
    return running.hexdigest()[:DIGEST_LENGTH]


def digest_of_list(items: Iterable[Any]) -> str:
    """Return the digest of a list of JSON values that may be too long to be held as one text.

    Args:
        items: the items of the list.

    Example:
        >>> digest_of_list(iter([0, 1, 2])) == digest_of([0, 1, 2])
        True
    """
    running = hashlib.sha256()
    for piece in _list_in_pieces(items):
        running.update(piece.encode())
    return running.hexdigest()[:DIGEST_LENGTH]


def _list_in_pieces(items: Iterable[Any]) -> Iterator[str]:
    """Yield the canonical JSON of a list, some thousand items at a time."""
    waiting, before = iter(items), "["
    while taken := list(islice(waiting, _ITEMS)):
        yield before + _encoded(taken)[1:-1]
        before = ","
    yield "[]" if before == "[" else "]"


def digest_of_file(file: BinaryIO, on_piece: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 of a file's content, which is read in pieces of one MiB.

    Args:
        file: a binary file; it is read from its position to its end.
        on_piece: called with the number of bytes after each piece.

    Returns:
        64 hex digits.
    """
    running = hashlib.sha256()
    while piece := file.read(_CHUNK):
        running.update(piece)
        if on_piece:
            on_piece(len(piece))
    return running.hexdigest()
