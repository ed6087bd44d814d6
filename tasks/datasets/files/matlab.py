"""Arrays in MATLAB files, as SVHN and Stanford Cars have them; the structure is checked before SciPy reads it."""

import io
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any, Literal, NamedTuple

import scipy.io

from storage.text import shown
from tasks.datasets.files.folder import Folder, most_unpacked
from tasks.errors import DatasetError

_MOST_BYTES = 256 * 1024**2  # of a file, and of an unpacked variable; SVHN's test set has 80 MB
_MOST_MATRICES = 250_000  # in a variable: one for each cell or field; Stanford Cars has 48,246
_DEEPEST = 8  # nested cells and structures
_MOST_FIELDS = 100
_LONGEST_TEXT = 64 * 1024  # bytes
_HEADER = 128  # bytes: a text, the version and the byte order
_BEGINNING = 1024  # bytes at the start of a variable that hold at most 32 dimensions and a name of 63 characters
_COMPRESSED, _MATRIX = 15, 14  # types of elements
Order = Literal["little", "big"]

_CELL, _STRUCTURE, _CHARACTERS, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15  # classes of arrays


def matlab_array(folder: Folder, path: str, name: str) -> Any:  # noqa: ANN401  numbers, or records of any kind
    """Return an array of a MATLAB file, without dimensions of length one.

    Args:
        folder: the folder of the file.
        path: the file's path.
        name: the array's name in the file.

    Raises:
        DatasetError: the file is not of MATLAB's versions 5 to 7, is damaged, or does not hold the array.
    """
    content = folder.read(path, _MOST_BYTES)
    try:
        order = _order(content)
        variable = _variable(content, order, name)
        _check(variable, order)
        alone: Any = io.BytesIO(content[:_HEADER] + variable)
        return scipy.io.loadmat(alone, squeeze_me=True, variable_names=[name])[name]
    except Exception as error:  # a damaged file makes the library raise errors of any class
        reason = shown(str(error) or type(error).__name__)
        raise DatasetError(f"{folder.url}/{shown(path)}: no array {name} of a MATLAB file ({reason})") from error


class _Element(NamedTuple):
    """A part of a file: its type, and the bytes of its content."""

    type: int
    start: int
    stop: int
    after: int
    """First byte of the next element."""


def _order(content: bytes) -> Order:
    """Return a file's byte order."""
    if content[512:520] == b"\x89HDF\r\n\x1a\n" or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise ValueError("of version 7.3, wanted one saved with -v7")
    if content[126:128] == b"IM":
        return "little"
    if content[126:128] == b"MI":
        return "big"
    raise ValueError("no header of MATLAB 5 to 7")


def _elements(content: bytes, order: Order, start: int, stop: int) -> Iterator[_Element]:
    """Yield the elements in a range of bytes."""
    while start < stop:
        if start + 8 > stop:
            raise ValueError("cut short")
        word = int.from_bytes(content[start : start + 4], order)
        if word >> 16:  # a small element: length, type and content in eight bytes
            element = _Element(word & 0xFFFF, start + 4, start + 4 + (word >> 16), start + 8)
        else:
            size = int.from_bytes(content[start + 4 : start + 8], order)
            padding = 0 if word == _COMPRESSED else -size % 8
            element = _Element(word, start + 8, start + 8 + size, start + 8 + size + padding)
        if element.stop > stop or element.stop > element.after:
            raise ValueError("cut short")
        yield element
        start = element.after


def _variable(content: bytes, order: Order, name: str) -> bytes:
    """Return the unpacked element of a variable, its tag included."""
    for element in _elements(content, order, _HEADER, len(content)):
        packed = memoryview(content)[element.start : element.stop]
        if element.type == _COMPRESSED:
            if _name(zlib.decompressobj().decompress(packed, _BEGINNING), order) == name:
                most = min(most_unpacked(len(packed)), _MOST_BYTES)
                unpacked = zlib.decompressobj().decompress(packed, most + 1)
                if len(unpacked) > most:
                    raise ValueError(f"more than {most:,} bytes unpacked from {len(packed):,}")
                return unpacked
        elif _name(content[element.start - 8 : min(element.after, element.start + _BEGINNING)], order) == name:
            return content[element.start - 8 : element.after]
    raise ValueError("not in the file")


def _name(beginning: bytes, order: Order) -> str:
    """Return a variable's name from its first bytes, where class, dimensions and name follow the tag."""
    parts = _elements(beginning, order, 8, len(beginning))
    _, _, name = next(parts), next(parts), next(parts)
    return beginning[name.start : name.stop].decode("latin-1")


def _check(variable: bytes, order: Order) -> None:
    """Raise `ValueError` if a variable announces more than it holds, or more than is accepted."""
    waiting = [(element, 0) for element in _elements(variable, order, 0, len(variable))]
    if len(waiting) != 1:
        raise ValueError("several variables in one")
    checked = 0
    while waiting:
        element, depth = waiting.pop()
        checked += 1
        if element.type != _MATRIX or depth > _DEEPEST:
            raise ValueError("cells or structures of another kind, or nested too deeply")
        if element.start == element.stop:  # MATLAB writes empty cells so
            continue
        inside = _inside(variable, order, element)
        if checked + len(waiting) + len(inside) > _MOST_MATRICES:
            raise ValueError(f"more than {_MOST_MATRICES:,} cells or fields")
        waiting += [(part, depth + 1) for part in inside]


def _inside(variable: bytes, order: Order, matrix: _Element) -> list[_Element]:
    """Return the matrices inside a cell array or a structure; none for numbers and text."""
    parts = _elements(variable, order, matrix.start, matrix.stop)
    flags, dimensions, _ = next(parts), next(parts), next(parts)
    kind = int.from_bytes(variable[flags.start : flags.start + 4], order) & 0xFF
    place = range(dimensions.start, dimensions.stop, 4)
    count = prod(int.from_bytes(variable[i : i + 4], order) for i in place)
    if kind == _STRUCTURE:
        length, names = next(parts), next(parts)
        longest = int.from_bytes(variable[length.start : length.start + 4], order)
        count *= _fields(names, longest)
    elif kind != _CELL:
        if kind != _CHARACTERS and not _FIRST_NUMBER <= kind <= _LAST_NUMBER:
            raise ValueError(f"an array of class {kind}, wanted numbers, text, cells or structures")
        longest = max((part.stop - part.start for part in parts), default=0)  # also checks that they fit
        if kind == _CHARACTERS and longest > _LONGEST_TEXT:
            raise ValueError(f"a text of {longest:,} bytes, wanted at most {_LONGEST_TEXT:,}")
        return []
    if count > _MOST_MATRICES:
        raise ValueError(f"{count:,} cells or fields, wanted at most {_MOST_MATRICES:,}")
    if not 0 <= count <= (matrix.stop - matrix.start) // 8:  # an empty cell takes eight bytes
        raise ValueError(f"{count:,} cells or fields announced in {matrix.stop - matrix.start:,} bytes")
    inside = list(parts)
    if len(inside) != count:
        raise ValueError(f"{len(inside):,} cells or fields, wanted {count:,}")
    return inside


def _fields(names: _Element, longest: int) -> int:
    """Return the number of a structure's fields, whose names take `longest` bytes each."""
    if not 0 < longest <= 64 or (names.stop - names.start) // longest > _MOST_FIELDS:
        raise ValueError("names of fields that are too long or too many")
    return (names.stop - names.start) // longest
