"""The part of Thrift's compact protocol in which Parquet writes the headers of pages."""

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_DEEPEST = 8  # nested structures

Structure = dict[int, Any]
"""Fields by number: integers and nested structures. Values of other kinds are skipped and read as None."""


class CompactParser:
    """Parses structures from bytes; raises `IndexError` or `ValueError` for bytes that are not one.

    Args:
        content: the bytes.
        place: the first byte to parse.
    """

    def __init__(self, content: memoryview, place: int = 0) -> None:
        self._content = content
        self.place = place
        """The byte that is parsed next."""

    def structure(self, depth: int = 0) -> Structure:
        """Return the structure that begins at `place`, and move behind it."""
        if depth > _DEEPEST:
            raise ValueError("structures nested too deeply")
        found: Structure = {}
        number = 0
        while kind_and_step := self._byte():
            step, kind = kind_and_step >> 4, kind_and_step & 0x0F
            number = number + step if step else self._signed()
            found[number] = self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:  # noqa: ANN401  an integer, a structure or None
        if kind in _INTEGERS:
            return self._signed()
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in _LISTS:
            raise ValueError("a list in the header of a page")
        if kind not in (_TRUE, _FALSE):
            self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._length(kind))
        return None

    def _length(self, kind: int) -> int:
        if kind != _BINARY:
            raise ValueError(f"a value of kind {kind} in the header of a page")
        return self._unsigned()

    def _skip(self, size: int) -> None:
        self.place += size
        if self.place > len(self._content):
            raise ValueError("cut short")

    def _signed(self) -> int:
        coded = self._unsigned()
        return (coded >> 1) ^ -(coded & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):  # ten bytes hold any integer of 64 bits
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number of more than 64 bits")

    def _byte(self) -> int:
        value = self._content[self.place]
        self.place += 1
        return value
