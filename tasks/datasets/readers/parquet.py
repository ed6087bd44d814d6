"""Parquet in the Hub's convention: a column of images (`bytes`, or a struct of `bytes` and `path`), one of labels.

Only the row group of an image is read. The last ones are kept, since neighbouring images and threads that decode
concurrently use the same.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.parquet_columns import ParquetColumns
from tasks.datasets.files.shard_index import Index, index_of, packed_text, unpacked_text
from tasks.datasets.files.splits import check_split
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples, StoredImage, check_class_names, check_count, numbered_samples, runs
from tasks.errors import DatasetError

_IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp")
_LABEL_COLUMNS = ("label", "labels", "cls")
_KEPT = 2  # row groups: a batch may span two


class _KeptGroups:
    """The row groups read last; a copy in another process starts empty."""

    def __init__(self) -> None:
        self.lock, self.columns = threading.Lock(), dict[int, pa.ChunkedArray]()

    def __reduce__(self) -> tuple[type["_KeptGroups"], tuple[()]]:
        return _KeptGroups, ()


@dataclass(frozen=True)
class ParquetImages:
    """Images in a column of Parquet files.

    Attributes:
        folder: the folder of the files.
        shards: path, size and etag of each file.
        column: path of the column with the encoded images, such as `image.bytes`.
        starts: (groups,) number of samples before each row group.
        places: (groups, 2) the shard of each row group, and its number in that shard.
    """

    folder: Folder
    shards: tuple[tuple[str, FileEntry], ...]
    column: str
    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    _kept: _KeptGroups = field(default_factory=_KeptGroups, compare=False, repr=False)

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """See `StoredImages`."""
        found: dict[int, StoredImage] = {}
        for index in sorted(set(indices)):  # sorted, so that each row group is read once
            group = self._group(index)
            try:
                value = self._values(group)[index - int(self.starts[group])].as_py()
            except (OSError, IndexError, pa.ArrowException) as error:
                value = OSError(_reason(error))
            if isinstance(value, dict):
                value = value.get("bytes")
            found[index] = ValueError("no image in this row") if value is None else value
        return [found[index] for index in indices]

    def name(self, index: int) -> str:
        """Return the file's path and the row of the image."""
        shard = int(self.places[self._group(index), 0])
        first = int(self.starts[np.flatnonzero(self.places[:, 0] == shard)[0]])
        return f"{self.folder.root}/{shown(self.shards[shard][0])}, row {index - first}"

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the file's path and the row of each image, as in `test-00000-of-00002.parquet#17`."""
        shards = self.places[np.searchsorted(self.starts, indices, "right") - 1, 0]
        firsts = self.starts[np.searchsorted(self.places[:, 0], shards)]
        rows = (indices - firsts).tolist()
        return [f"{self.shards[shard][0]}#{row}" for shard, row in zip(shards.tolist(), rows, strict=True)]

    def content(self, indices: NDArray[np.int64]) -> Iterator[Any]:
        """Yield the path, size and etag of every file, the column, and the rows."""
        yield from ([[path, entry.size, entry.etag] for path, entry in self.shards], self.column, runs(indices))

    def _group(self, index: int) -> int:
        return int(np.searchsorted(self.starts, index, "right")) - 1

    def _values(self, group: int) -> pa.ChunkedArray:
        with self._kept.lock:  # held while reading, since other threads wait for the same row group
            columns = self._kept.columns
            if group not in columns:
                while len(columns) >= _KEPT:
                    del columns[next(iter(columns))]
                shard, number = self.places[group]
                with self.folder.open(self.shards[shard][0]) as file:
                    columns[group] = ParquetColumns(file, kept_once=self.column).read(int(number), self.column)
            return columns[group]


def _read(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return the samples of Parquet files in the order of the paths.

    Names of the classes are those that the Hub's `datasets` library writes to the schema's metadata, if it did.
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
    images = ParquetImages(
        folder,
        tuple((path, folder.entries.at(path)) for path in paths),
        unpacked_text(indices[0]["column"])[0],
        np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64),
        np.array(places, np.int64).reshape(-1, 2),
    )
    labels = np.concatenate([index["labels"] for index in indices])
    return numbered_samples(images, labels, unpacked_text(indices[0]["names"]), folder.url)


def _index(folder: Folder, path: str) -> Index:
    names = ("column", "group_rows", "labels", "names")
    return index_of(folder, path, "parquet/2", lambda: _index_file(folder, path), names)


def _index_file(folder: Folder, path: str) -> Index:
    """Return the index of a file: the column of its images, its row groups, labels and names of classes."""
    where = f"{folder.url}/{shown(path)}"
    try:
        with folder.open(path) as file:
            parquet = ParquetColumns(file)
            check_count(sum(parquet.rows), where, folder.entries.at(path).size)
            names = parquet.schema.names
            if len(set(names)) < len(names):
                raise DatasetError(f"{where}: two columns of one name")
            label = next((name for name in _LABEL_COLUMNS if name in names), None)
            classes = _class_names(parquet.schema, label)
            check_class_names(classes, where)
            return {
                "column": packed_text([_image_column(parquet.schema, where)]),
                "group_rows": np.array(parquet.rows, np.int64),
                "labels": _labels(parquet, label, where),
                "names": packed_text(classes),
            }
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{where}: not a Parquet file, or a damaged one ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return shown((str(error) or type(error).__name__).splitlines()[0])


def _image_column(schema: pa.Schema, where: str) -> str:
    """Return the path of the column with the encoded images."""
    column = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    if column is not None:
        kind = schema.field(column).type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return column
        place = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
        if place >= 0 and (pa.types.is_binary(inner := kind.field(place).type) or pa.types.is_large_binary(inner)):
            return f"{column}.bytes"
    got = ", ".join(f"{f.name}: {f.type}" for f in schema)
    raise DatasetError(
        f"{where}: no column of images; wanted {_IMAGE_COLUMNS[0]}, as bytes or a struct with bytes, got {shown(got)}"
    )


def _labels(parquet: ParquetColumns, column: str | None, where: str) -> NDArray[np.int64]:
    if column is None:
        if others := _class_labels(parquet.schema):
            raise DatasetError(
                f"{where}: labels in {shown(', '.join(others))}, wanted a column named {_LABEL_COLUMNS[0]}"
            )
        return np.full(sum(parquet.rows), -1, np.int64)
    kind = parquet.schema.field(column).type
    if not pa.types.is_integer(kind):
        raise DatasetError(f"{where}: column {column} of {shown(str(kind))}, wanted whole numbers")
    groups = [parquet.read(group, column) for group in range(len(parquet.rows))]
    parts = [group.cast(pa.int64()).fill_null(-1).to_numpy() for group in groups]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _class_labels(schema: pa.Schema) -> list[str]:
    """Return the columns that are labels of classes by the metadata of the Hub's `datasets` library."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [name for name, kind in features.items() if kind.get("_type") == "ClassLabel"]
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return []


def _class_names(schema: pa.Schema, column: str | None) -> list[str]:
    """Return `info.features.<column>.names` of the metadata of the Hub's `datasets` library, or no names."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return list(map(str, features[column]["names"]))
    except (KeyError, ValueError, TypeError, RecursionError):
        return []


READER = Reader(
    name="Parquet",
    marks="*.parquet",
    recognises=lambda folder: folder.with_suffix(".parquet"),
    read=_read,
    is_exclusive=True,
)
