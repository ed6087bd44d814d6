"""The directory of a zip file, read within bounds, since a directory may promise more than its file holds."""

import struct
import zlib
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from tasks.models.files.budget import NAME
from tasks.models.files.damage import DamagedFile, TooCostly

_DIRECTORY = 4 << 20  # bytes; an entry takes 80, and the largest CLIP with its optimizer has 7,000 entries
_LOCAL, _CENTRAL, _END, _LOCATOR, _END64 = (b"PK" + kind for kind in (b"\3\4", b"\1\2", b"\5\6", b"\6\7", b"\6\6"))
_LOCAL_BYTES, _CENTRAL_BYTES, _END_BYTES, _LOCATOR_BYTES, _END64_BYTES = 30, 46, 22, 20, 56
_COMMENT = 65_535  # bytes behind the directory's end, at most
_STORED, _DEFLATED = 0, 8


class Entry(NamedTuple):
    """One file in a zip file. Sizes and places are in bytes."""

    name: str
    method: int
    checksum: int
    compressed: int
    size: int
    header: int
    """The place of the entry's own header."""


class ZipDirectory:
    """The entries of a zip file, opened for reading.

    Raises:
        DamagedFile: the directory does not fit the file or has two entries of one name, or entries overlap.
        TooCostly: the directory is larger than any checkpoint's.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        start, length = _place_of_directory(file, size)
        if length > _DIRECTORY:
            raise TooCostly(f"a zip directory of {length:,} bytes, wanted at most {_DIRECTORY:,}")
        if start + length > size:
            raise DamagedFile("its zip directory lies beyond its end")
        file.seek(start)
        found = _entries(file.read(length))
        self.entries = {entry.name: entry for entry in found}
        if len(self.entries) < len(found):
            raise DamagedFile("two files of one name")
        _check_places(found, start)

    def place(self, entry: Entry) -> int:
        """Return the place of an entry's content."""
        self._file.seek(entry.header)
        header = self._file.read(_LOCAL_BYTES)
        if len(header) < _LOCAL_BYTES or header[:4] != _LOCAL:
            raise DamagedFile(f"{entry.name} is not where its zip directory says")
        name, extra = struct.unpack("<HH", header[26:30])
        return int(entry.header + _LOCAL_BYTES + name + extra)

    def read(self, name: str, most: int) -> bytes:
        """Return the content of an entry, inflated.

        Raises:
            DamagedFile: the content is not of the size or checksum that the directory says.
            TooCostly: the content is longer than `most` bytes.
        """
        entry = self.entries[name]
        if max(entry.size, entry.compressed) > most:
            raise TooCostly(f"{name} of {max(entry.size, entry.compressed):,} bytes, wanted at most {most:,}")
        self._file.seek(self.place(entry))
        content = self._file.read(entry.compressed)
        if entry.method == _DEFLATED:
            try:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, entry.size + 1)
            except zlib.error as error:
                raise DamagedFile(f"{name} cannot be inflated") from error
        if len(content) != entry.size:
            raise DamagedFile(f"{name} has {len(content):,} bytes, its zip directory says {entry.size:,}")
        check_sum(entry, zlib.crc32(content))
        return content


def check_sum(entry: Entry, found: int) -> None:
    """Raise `DamagedFile` unless a content's checksum equals its directory's, or that is 0: PyTorch computed none."""
    if entry.checksum not in (0, found):
        raise DamagedFile(f"{entry.name} has checksum {found:08x}, its zip directory says {entry.checksum:08x}")


def _place_of_directory(file: BinaryIO, size: int) -> tuple[int, int]:
    """Return the place and the length of a zip file's directory."""
    tail = min(size, _COMMENT + _END_BYTES + _LOCATOR_BYTES)
    file.seek(size - tail)
    content = file.read(tail)
    end = content.rfind(_END)
    if end < 0 or len(content) - end < _END_BYTES:
        raise DamagedFile("a zip file that ends early: it has no directory")
    length, start = struct.unpack("<LL", content[end + 12 : end + 20])
    locator = content[max(end - _LOCATOR_BYTES, 0) : end]
    if locator[:4] == _LOCATOR and len(locator) == _LOCATOR_BYTES:  # PyTorch always writes one
        (place,) = struct.unpack("<Q", locator[8:16])
        if place > size - _END64_BYTES:
            raise DamagedFile("its zip directory's end lies beyond its end")
        file.seek(place)
        record = file.read(_END64_BYTES)
        if record[:4] != _END64:
            raise DamagedFile("its zip directory has no end")
        length, start = struct.unpack("<QQ", record[40:56])
    return start, length


def _entries(directory: bytes) -> list[Entry]:
    found, place = [], 0
    while place < len(directory):
        fixed = directory[place : place + _CENTRAL_BYTES]
        if len(fixed) < _CENTRAL_BYTES or fixed[:4] != _CENTRAL:
            raise DamagedFile("its zip directory is damaged")
        flags, method = struct.unpack("<HH", fixed[8:12])
        checksum, compressed, size, name, extra, comment = struct.unpack("<LLLHHH", fixed[16:34])
        (header,) = struct.unpack("<L", fixed[42:46])
        start = place + _CENTRAL_BYTES
        text = _name(directory[start : start + name])
        if flags & 1 or method not in (_STORED, _DEFLATED):
            raise DamagedFile(f"{text} is encrypted or compressed in a way that PyTorch does not know")
        sizes = _wide(directory[start + name : start + name + extra], [size, compressed, header])
        found.append(Entry(text, method, checksum, sizes[1], sizes[0], sizes[2]))
        place = start + name + extra + comment
    return found


def _name(encoded: bytes) -> str:
    try:
        name = encoded.decode()
    except UnicodeDecodeError as error:
        raise DamagedFile("an entry whose name is not UTF-8") from error
    if len(name) > NAME or not name.isprintable():
        raise DamagedFile(f"an entry whose name has control characters, or more than {NAME}")
    return name


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Return numbers, each that exceeds 32 bits replaced by the one in an entry's extra field."""
    place, wide = 0, b""
    while place + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[place : place + 4])
        if kind == 1:
            wide = extra[place + 4 : place + 4 + length]
        place += 4 + length
    for i, number in enumerate(numbers):
        if number == 0xFFFFFFFF and len(wide) >= 8:
            (numbers[i],), wide = struct.unpack("<Q", wide[:8]), wide[8:]
    return numbers


def _check_places(entries: list[Entry], directory: int) -> None:
    """Refuse entries that overlap, since a small file could hold one large content under many names."""
    placed = sorted(entries, key=lambda entry: entry.header)
    starts = [*(entry.header for entry in placed), directory]
    for entry, (start, following) in zip(placed, pairwise(starts), strict=True):
        if start + _LOCAL_BYTES + len(entry.name) + entry.compressed > following:
            raise DamagedFile(f"{entry.name} overlaps what follows it in the zip file, or the file ends early")
        if entry.method == _STORED and entry.size != entry.compressed:
            raise DamagedFile(f"{entry.name} has two sizes in its zip directory")
