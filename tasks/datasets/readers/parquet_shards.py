"""Parquet in the Hub's convention: a column of pictures (`bytes`, or a struct of `bytes` and `path`), one of labels.

Only the row group that a picture lies in is read. The ones read last are kept: neighbours, and threads that decode
next to each other, ask for the same.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.readers.folder import Folder
from tasks.datasets.readers.parquet_columns import ParquetColumns
from tasks.datasets.readers.shard_index import Index, index_of, packed_text, unpacked_text
from tasks.datasets.samples import Picture, Samples, check_count, check_names, numbered, runs
from tasks.datasets.splits import check_split
from tasks.errors import DatasetError

IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp")
LABELS = ("label", "labels", "cls")
_KEPT = 2  # row groups: a batch may end in one and the next begin in another


class _Kept:
    """The row groups read last; another process begins with none."""

    def __init__(self) -> None:
        self.lock, self.columns = threading.Lock(), dict[int, pa.ChunkedArray]()

    def __reduce__(self) -> tuple[type["_Kept"], tuple[()]]:
        return _Kept, ()


@dataclass(frozen=True)
class ParquetPictures:
    """Pictures in a column of Parquet files.

    Attributes:
        folder: where the files are.
        shards: the files.
        column: that holds the pictures: the path of their bytes.
        starts: (groups,) samples before each row group.
        places: (groups, 2) each row group's shard, and its number in there.
    """

    folder: Folder
    shards: tuple[tuple[str, FileEntry], ...]
    column: str
    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    _kept: _Kept = field(default_factory=_Kept, compare=False, repr=False)

    def read(self, indices: Sequence[int]) -> list[Picture]:
        """See `Pictures`."""
        found: dict[int, Picture] = {}
        for index in sorted(set(indices)):  # each row group once, whatever the order asked for
            group = self._group(index)
            try:
                value = self._values(group)[index - int(self.starts[group])].as_py()
            except (OSError, IndexError, pa.ArrowException) as error:
                value = OSError(_told(error))
            if isinstance(value, dict):
                value = value.get("bytes")
            found[index] = ValueError("no bytes of a picture in this row") if value is None else value
        return [found[index] for index in indices]

    def name(self, index: int) -> str:
        """Return the file's path and the row."""
        shard = int(self.places[self._group(index), 0])
        first = int(self.starts[np.flatnonzero(self.places[:, 0] == shard)[0]])
        return f"{self.folder.root}/{shown(self.shards[shard][0])}, row {index - first}"

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return all files' paths, sizes and etags, and the rows."""
        return [[[path, entry.size, entry.etag] for path, entry in self.shards], self.column, runs(indices)]

    def _group(self, index: int) -> int:
        return int(np.searchsorted(self.starts, index, "right")) - 1

    def _values(self, group: int) -> pa.ChunkedArray:
        with self._kept.lock:  # held while reading: the others want the same
            columns = self._kept.columns
            if group not in columns:
                while len(columns) >= _KEPT:
                    del columns[next(iter(columns))]
                shard, number = self.places[group]
                with self.folder.open(self.shards[shard][0]) as file:
                    columns[group] = ParquetColumns(file, kept_once=self.column).read(int(number), self.column)
            return columns[group]


def parquet_shards(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return the samples of Parquet files, file by file in the order given.

    The names of the classes are those that the Hub's `datasets` keeps in the schema's metadata, if it does.

    Raises:
        DatasetError: several splits, no column of pictures, files of different columns, or damaged ones.
    """
    check_split(folder, paths)
    indices = [_index(folder, path) for path in paths]
    for path, index in zip(paths, indices, strict=True):
        if any(not np.array_equal(index[part], indices[0][part]) for part in ("column", "names")):
            raise DatasetError(
                f"{folder.url}/{shown(path)}: columns or names of classes differ from those of {shown(paths[0])}"
            )
    rows = np.concatenate([index["group_rows"] for index in indices])
    places = [(shard, number) for shard, index in enumerate(indices) for number in range(len(index["group_rows"]))]
    pictures = ParquetPictures(
        folder,
        tuple((path, folder.entries[path]) for path in paths),
        unpacked_text(indices[0]["column"])[0],
        np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64),
        np.array(places, np.int64).reshape(-1, 2),
    )
    labels = np.concatenate([index["labels"] for index in indices])
    return numbered(pictures, labels, unpacked_text(indices[0]["names"]), folder.url)


def _index(folder: Folder, path: str) -> Index:
    names = ("column", "group_rows", "labels", "names")
    return index_of(folder, path, "parquet/2", lambda: _looked_at(folder, path), names)


def _looked_at(folder: Folder, path: str) -> Index:
    """Return what there is to know of a file without its pictures: their column, row groups, labels, class names."""
    where = f"{folder.url}/{shown(path)}"
    try:
        with folder.open(path) as file:
            parquet = ParquetColumns(file)
            check_count(sum(parquet.rows), where, folder.entries[path].size)
            names = parquet.schema.names
            if len(set(names)) < len(names):
                raise DatasetError(f"{where}: two columns of one name")
            label = next((name for name in LABELS if name in names), None)
            classes = _class_names(parquet.schema, label)
            check_names(classes, where)
            return {
                "column": packed_text([_picture_column(parquet.schema, where)]),
                "group_rows": np.array(parquet.rows, np.int64),
                "labels": _labels(parquet, label, where),
                "names": packed_text(classes),
            }
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{where}: not a Parquet file, or a damaged one ({_told(error)})") from error


def _told(error: Exception) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0])


def _picture_column(schema: pa.Schema, where: str) -> str:
    """Return the path of the pictures' bytes."""
    column = next((name for name in IMAGES if name in schema.names), None)
    if column is not None:
        kind = schema.field(column).type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return column
        place = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
        if place >= 0 and (pa.types.is_binary(inner := kind.field(place).type) or pa.types.is_large_binary(inner)):
            return f"{column}.bytes"
    got = ", ".join(f"{f.name}: {f.type}" for f in schema)
    raise DatasetError(
        f"{where}: no column of pictures; wanted {IMAGES[0]}, as bytes or a struct with bytes, got {shown(got)}"
    )


def _labels(parquet: ParquetColumns, column: str | None, where: str) -> NDArray[np.int64]:
    if column is None:
        if others := _class_labels(parquet.schema):
            raise DatasetError(f"{where}: labels in {shown(', '.join(others))}, wanted a column named {LABELS[0]}")
        return np.full(sum(parquet.rows), -1, np.int64)
    kind = parquet.schema.field(column).type
    if not pa.types.is_integer(kind):
        raise DatasetError(f"{where}: column {column} of {shown(str(kind))}, wanted whole numbers")
    groups = [parquet.read(group, column) for group in range(len(parquet.rows))]
    parts = [group.cast(pa.int64()).fill_null(-1).to_numpy() for group in groups]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _class_labels(schema: pa.Schema) -> list[str]:
    """Return the columns that the Hub's `datasets` says are labels of classes."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [name for name, kind in features.items() if kind.get("_type") == "ClassLabel"]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return []


def _class_names(schema: pa.Schema, column: str | None) -> list[str]:
    """Return the names in the metadata of the Hub's `datasets`: `info.features.<column>.names`."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return list(map(str, features[column]["names"]))
    except (KeyError, ValueError, TypeError, RecursionError):
        return []
