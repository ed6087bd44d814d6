"""One column of one row group of a Parquet file, read after the headers of its pages have been checked.

What a file's footer says of sizes is a claim; the library acts on the headers of the pages. A page of some kilobytes
can announce two gigabytes, a dictionary of one picture can stand for any number of them, and values that share their
beginnings grow from one to the next. So the headers are added up first, and dictionaries stay dictionaries.
"""

import io
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.datasets.readers.folder import most_unpacked
from tasks.datasets.readers.thrift import Reader, Structure

_TAIL = 64 * 1024  # bytes, read at once, that hold most files' footers
_MOST_FOOTER = 1024**2  # bytes; some 5,000 row groups. Read, it takes up to 240 times as much memory
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # types of pages
_LENGTHS = {0, 2, 3, 4, 5, 6, 8, 9}  # encodings whose values take no more than the page has, or than their number says
_HEADERS = {
    _DATA: (5, 1, 2),
    _DICTIONARY: (7, 1, 2),
    _DATA_V2: (8, 1, 4),
}  # fields of a page: its own, number, encoding


class ParquetColumns:
    """A Parquet file of which columns are read, one row group at a time.

    Args:
        file: the file; the footer and the column that is read are fetched with one request each.
        kept_once: path of a column of bytes whose repeated values are kept once, and not copied.

    Raises:
        OSError: the file or its footer is damaged, or the footer too long.
    """

    def __init__(self, file: BinaryIO, kept_once: str | None = None) -> None:
        self._size = file.seek(0, io.SEEK_END)
        self._held: Any = _Held(file, self._size)
        tail = self._held.hold(max(self._size - _TAIL, 0), self._size)
        footer = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] != b"PAR1" or footer + 8 > self._size:
            raise OSError("no footer at its end")
        if footer > _MOST_FOOTER:
            raise OSError(f"a footer of {footer:,} bytes, wanted at most {_MOST_FOOTER:,}")
        if footer + 8 > _TAIL:
            self._held.hold(self._size - 8 - footer, self._size)
        dictionaries = [kept_once] if kept_once else None
        self._parquet = pq.ParquetFile(self._held, read_dictionary=dictionaries, pre_buffer=False)
        self.schema: pa.Schema = self._parquet.schema_arrow
        """The columns."""
        metadata = self._parquet.metadata
        self.rows = [int(metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups)]
        """Of each row group."""
        if min(self.rows, default=0) < 0 or sum(self.rows) != metadata.num_rows:
            raise OSError("its row groups have another number of rows than the file")

    def read(self, group: int, column: str) -> pa.ChunkedArray:
        """Return a column of a row group, without what lies beside it in a structure.

        Args:
            group: number of the row group.
            column: the path of its values, such as `image.bytes`.

        Raises:
            OSError: the pages are damaged, announce more than the file can hold, or hold another number of values.
        """
        metadata, rows = self._parquet.metadata, self.rows[group]
        number = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column)
        chunk = metadata.row_group(group).column(number)
        start, size = _place(chunk), int(chunk.total_compressed_size)
        if not 0 <= start <= start + size <= self._size:
            raise OSError(f"row group {group}: column {column} lies outside of the file")
        content = self._held.hold_other(start, start + size)
        try:
            _check_pages(memoryview(content), rows)
        except (IndexError, ValueError) as error:
            raise OSError(f"row group {group}: damaged pages in column {column} ({error})") from error
        table = self._parquet.read_row_group(group, columns=[column])
        if table.num_rows != rows:
            raise OSError(f"row group {group}: {table.num_rows:,} rows, wanted {rows:,}")
        return table.column(0)


def _place(chunk: Any) -> int:  # noqa: ANN401  pyarrow publishes no types
    """Return the first byte of a column's pages."""
    data = int(chunk.data_page_offset)
    dictionary = chunk.dictionary_page_offset if chunk.has_dictionary_page else None
    return min(int(dictionary), data) if dictionary else data


def _check_pages(content: memoryview, rows: int) -> None:
    """Raise `ValueError` for pages that announce more than the rows, or than their bytes can come to."""
    most = most_unpacked(len(content))
    reader, unpacked = Reader(content), 0
    while reader.place < len(content):
        page = reader.structure()
        if not all(isinstance(page.get(field), int) and page[field] >= 0 for field in (1, 2, 3)):
            raise ValueError("a page without type or sizes")
        unpacked += page[2]
        if unpacked > most:
            raise ValueError(f"more than {most:,} bytes unpacked from {len(content):,}")
        _check_values(page, rows)
        reader.place += page[3]
    if reader.place > len(content):
        raise ValueError("the last page is cut short")


def _check_values(page: Structure, rows: int) -> None:
    if page[1] not in _HEADERS:  # the library passes over other types of pages
        return
    own, number, encoding = _HEADERS[page[1]]
    header = page.get(own)
    if not isinstance(header, dict) or not isinstance(header.get(number), int):
        raise ValueError("a page without a number of values")
    most = page[2] // 4 if page[1] == _DICTIONARY else rows  # values of a dictionary take four bytes or more
    if not 0 <= header[number] <= most:
        raise ValueError(f"a page of {header[number]:,} values, wanted at most {most:,}")
    if header.get(encoding) not in _LENGTHS:
        raise ValueError(f"an encoding that is not read, number {header.get(encoding)}")


class _Held(io.RawIOBase):
    """A file of which two ranges of bytes are held: its end, and one other."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._end, self._other = (size, b""), (0, b"")
        self._place = 0

    def hold(self, start: int, stop: int) -> bytes:
        """Read the file's end, and keep it."""
        self._end = (start, self._from_file(start, stop))
        return self._end[1]

    def hold_other(self, start: int, stop: int) -> bytes:
        """Read another range, and keep it in the place of the one before."""
        self._other = (0, b"")  # let go first
        self._other = (start, self._from_file(start, stop))
        return self._other[1]

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._place

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        self._place = place + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        stop = self._size if size < 0 else min(self._place + size, self._size)
        for start, content in (self._other, self._end):
            if start <= self._place and stop <= start + len(content):
                found = content[self._place - start : stop - start]
                break
        else:
            found = self._from_file(self._place, stop)
        self._place += len(found)
        return found

    def _from_file(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))
