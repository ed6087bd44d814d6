"""Arrays in idx files, as MNIST has them, gzipped or not; no more is read than the header announces."""

import zlib
from math import prod
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.samples import check_count
from tasks.errors import DatasetError

_MOST_BYTES = 256 * 1024**2  # of an array; the test set of the largest EMNIST has 91 MB
_PIECE = 1024**2  # bytes read at a time
_GZIP = 31  # zlib's number for a gzip stream with its checksum


def read_idx(folder: Folder, path: str, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of an idx file of bytes.

    The header is two zero bytes, 8, the number of dimensions, and each length as four bytes, the highest first.

    Args:
        folder: the folder of the file.
        path: the file's path; gzipped if it ends in `.gz`.
        dimensions: how many dimensions the array must have.

    Raises:
        DatasetError: the file is damaged, of another kind, empty, or larger than any data set of this kind.
    """
    where = f"{folder.url}/{shown(path)}"
    try:
        with folder.open(path) as file:
            stream = _Gunzip(file) if path.endswith(".gz") else file
            shape = _shape(stream.read(4 + 4 * dimensions), dimensions, where)
            content = stream.read(prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{where}: damaged ({shown(str(error))})") from error
    if len(content) != prod(shape):
        got = f"{len(content):,}" if len(content) < prod(shape) else "more"
        raise DatasetError(f"{where}: {got} bytes of {shape}, wanted {prod(shape):,}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(header: bytes, dimensions: int, where: str) -> tuple[int, ...]:
    if header[:4] != bytes([0, 0, 8, dimensions]) or len(header) < 4 + 4 * dimensions:
        raise DatasetError(f"{where}: not an idx file of bytes with {dimensions} dimensions")
    shape = tuple(map(int, np.frombuffer(header, ">u4", dimensions, 4)))
    if not prod(shape):
        raise DatasetError(f"{where}: nothing in an array of {shape}")
    check_count(shape[0], where)
    if prod(shape) > _MOST_BYTES:
        raise DatasetError(f"{where}: {prod(shape):,} bytes of {shape}, wanted at most {_MOST_BYTES:,}")
    return shape


class _Gunzip:
    """Unpacks a gzip stream, no further than the caller reads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream, self._waiting = file, zlib.decompressobj(_GZIP), b""

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end of the stream.

        Raises:
            EOFError: the file ends before the stream does.
            OSError: more bytes follow the stream.
        """
        found = bytearray()
        while len(found) < size and not self._stream.eof:
            piece = self._waiting or self._file.read(_PIECE)
            unpacked = self._stream.decompress(piece, size - len(found))
            found += unpacked
            self._waiting = self._stream.unconsumed_tail
            if not piece and not unpacked and not self._stream.eof:
                raise EOFError("the compressed stream ends early")
        if self._stream.eof and (self._stream.unused_data or self._file.read(1)):
            raise OSError("something follows the compressed stream")
        return bytes(found)
