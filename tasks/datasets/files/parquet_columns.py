"""Columns of a Parquet file, read one row group at a time after the headers of their pages have been checked.

The sizes in a file's footer are only claims: the library acts on the headers of the pages. A page of some kilobytes
can announce two gigabytes, a dictionary of one image can stand for any number of rows, and delta encodings let each
value contain the one before. So the announced sizes are added up first, and dictionaries are not expanded.
"""

import io
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.datasets.files.folder import most_unpacked
from tasks.datasets.files.thrift import CompactParser, Structure

_TAIL = 64 * 1024  # bytes read at once from the end, which hold most files' footers
_MOST_FOOTER = 1024**2  # bytes, for some 5,000 row groups; parsing takes up to 240 times as much memory
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # types of pages
_BOUNDED = {0, 2, 3, 4, 5, 6, 8, 9}  # encodings whose values cannot unpack to more than the page and its count allow
_HEADERS = {
    _DATA: (5, 1, 2),
    _DICTIONARY: (7, 1, 2),
    _DATA_V2: (8, 1, 4),
}  # numbers of fields: the page's own header, and in it the number of values and their encoding


class ParquetColumns:
    """The columns of a Parquet file, read one row group at a time.

    Args:
        file: the file; the footer and each column chunk are fetched with one request.
        kept_once: path of a column of bytes whose repeated values share memory.

    Raises:
        OSError: the file or its footer is damaged, or the footer is too long.
    """

    def __init__(self, file: BinaryIO, kept_once: str | None = None) -> None:
        self._size = file.seek(0, io.SEEK_END)
        self._held: Any = _HeldFile(file, self._size)
        tail = self._held.hold_end(max(self._size - _TAIL, 0), self._size)
        footer = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] != b"PAR1" or footer + 8 > self._size:
            raise OSError("no footer at its end")
        if footer > _MOST_FOOTER:
            raise OSError(f"a footer of {footer:,} bytes, wanted at most {_MOST_FOOTER:,}")
        if footer + 8 > _TAIL:
            self._held.hold_end(self._size - 8 - footer, self._size)
        dictionaries = [kept_once] if kept_once else None
        try:
            self._parquet = pq.ParquetFile(self._held, read_dictionary=dictionaries, pre_buffer=False)
        except UnicodeDecodeError as error:
            raise OSError("the name of a column is not UTF-8") from error
        self.schema: pa.Schema = self._parquet.schema_arrow
        """Names and types of the columns."""
        metadata = self._parquet.metadata
        self.rows = [int(metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups)]
        """Number of rows of each row group."""
        if min(self.rows, default=0) < 0 or sum(self.rows) != metadata.num_rows:
            raise OSError("its row groups have another number of rows than the file")

    def read(self, group: int, column: str) -> pa.ChunkedArray:
        """Return one column of a row group; of a structure, only the field asked for.

        Args:
            group: number of the row group.
            column: path of the values, such as `image.bytes`.

        Raises:
            OSError: the pages are damaged, announce more than they can hold, or hold another number of values.
        """
        metadata, rows = self._parquet.metadata, self.rows[group]
        number = next(i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column)
        chunk = metadata.row_group(group).column(number)
        start, size = _first_byte(chunk), int(chunk.total_compressed_size)
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


def _first_byte(chunk: Any) -> int:  # noqa: ANN401  pyarrow publishes no types
    """Return the place of the first page of a column chunk."""
    data = int(chunk.data_page_offset)
    dictionary = chunk.dictionary_page_offset if chunk.has_dictionary_page else None
    return min(int(dictionary), data) if dictionary else data


def _check_pages(content: memoryview, rows: int) -> None:
    """Raise `ValueError` if pages announce more values than rows, or more bytes than theirs can unpack to."""
    most = most_unpacked(len(content))
    parser, unpacked = CompactParser(content), 0
    while parser.place < len(content):
        page = parser.structure()
        if not all(isinstance(page.get(field), int) and page[field] >= 0 for field in (1, 2, 3)):
            raise ValueError("a page without type or sizes")
        unpacked += page[2]
        if unpacked > most:
            raise ValueError(f"more than {most:,} bytes unpacked from {len(content):,}")
        _check_values(page, rows)
        parser.place += page[3]
    if parser.place > len(content):
        raise ValueError("the last page is cut short")


def _check_values(page: Structure, rows: int) -> None:
    if page[1] not in _HEADERS:  # the library skips pages of other types
        return
    own, number, encoding = _HEADERS[page[1]]
    header = page.get(own)
    if not isinstance(header, dict) or not isinstance(header.get(number), int):
        raise ValueError("a page without a number of values")
    most = page[2] // 4 if page[1] == _DICTIONARY else rows  # each value of a dictionary takes at least four bytes
    if not 0 <= header[number] <= most:
        raise ValueError(f"a page of {header[number]:,} values, wanted at most {most:,}")
    if header.get(encoding) not in _BOUNDED:
        raise ValueError(f"an encoding that is not read, number {header.get(encoding)}")


class _HeldFile(io.RawIOBase):
    """A file of which two ranges of bytes are held in memory: its end, and one other."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._end, self._other = (size, b""), (0, b"")
        self._place = 0

    def hold_end(self, start: int, stop: int) -> bytes:
        """Read the file's end and hold it."""
        self._end = (start, self._from_file(start, stop))
        return self._end[1]

    def hold_other(self, start: int, stop: int) -> bytes:
        """Read another range and hold it in place of the previous one."""
        self._other = (0, b"")  # freed before the next is read
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
