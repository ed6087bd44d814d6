"""WebDataset: tar shards in which the files of a sample follow each other, named by its key and an extension.

The first pass over a shard records the place of each image; from then on an image is a range of bytes, and only those
asked for are read.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.files.folder import ByteRange, Folder
from tasks.datasets.files.image_files import MOST_ENCODED_BYTES, is_image, too_long
from tasks.datasets.files.shard_index import Index, index_of, packed_text, unpacked_text
from tasks.datasets.files.splits import check_split
from tasks.datasets.files.tar_members import members
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples, StoredImage, check_count, numbered_samples, runs
from tasks.errors import DatasetError

_CLASS_NAMES = "classnames.txt"  # one name a line; in the folder of the shards or in its parent
_LONGEST_LABEL = 64 * 1024  # bytes of a file that holds a label
_MOST_FILES = 4  # of a sample, on average: the image, the label, and others that accompany them
_LONGEST_KEY = 1024  # characters; as many as S3 accepts bytes in a path


@dataclass(frozen=True)
class TarImages:
    """Images in tar files.

    Attributes:
        folder: the folder of the files.
        shards: path, size and etag of each file.
        places: (n, 3) each image's shard, first byte and size.
        sample_keys: the samples' keys.
    """

    folder: Folder
    shards: tuple[tuple[str, FileEntry], ...]
    places: NDArray[np.int64]
    sample_keys: tuple[str, ...]

    def read(self, indices: Sequence[int]) -> list[StoredImage]:
        """See `StoredImages`."""
        places = self.places[np.asarray(indices, np.int64)].tolist()
        ranges = [ByteRange(self.shards[shard][0], start, start + size) for shard, start, size in places]
        accepted = [one for one in dict.fromkeys(ranges) if one.stop - one.start <= MOST_ENCODED_BYTES]
        found = dict(zip(accepted, self.folder.read_ranges(accepted), strict=True))
        return [found[one] if one in found else too_long(one.stop - one.start) for one in ranges]

    def name(self, index: int) -> str:
        """Return the tar file's path and the sample's key."""
        path, _ = self.shards[int(self.places[index, 0])]
        return f"{self.folder.root}/{shown(path)}, sample {shown(self.sample_keys[index])}"

    def keys(self, indices: NDArray[np.int64]) -> list[str]:
        """Return the tar file's path and the key of each sample, as in `test-000.tar#000017`."""
        return [
            f"{self.shards[shard][0]}#{self.sample_keys[i]}"
            for i, shard in zip(indices, self.places[indices, 0], strict=True)
        ]

    def content(self, indices: NDArray[np.int64]) -> Iterator[Any]:
        """Yield the path, size and etag of every file, and the numbers of the samples."""
        yield from ([[path, entry.size, entry.etag] for path, entry in self.shards], runs(indices))


def _read(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return the samples of tar shards in the order of the paths.

    The label of a sample is its `.cls` file, or `label` or `cls` in its `.json` file.
    """
    check_split(folder, paths)
    indices = [_index(folder, path) for path in paths]
    places = [
        np.column_stack([np.full(len(index["starts"]), shard), index["starts"], index["sizes"]])
        for shard, index in enumerate(indices)
    ]
    keys = tuple(key for index in indices for key in unpacked_text(index["keys"]))
    shards = tuple((path, folder.entries.at(path)) for path in paths)
    images = TarImages(folder, shards, np.concatenate(places).astype(np.int64), keys)
    labels = np.concatenate([index["labels"] for index in indices])
    return numbered_samples(images, labels, _class_names(folder), folder.url)


def _class_names(folder: Folder) -> list[str]:
    content = folder.beside(_CLASS_NAMES) or b""
    return [line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()]


def _index(folder: Folder, path: str) -> Index:
    names = ("keys", "starts", "sizes", "labels")
    return index_of(folder, path, "tar/3", lambda: _index_shard(folder, path), names)


def _index_shard(folder: Folder, path: str) -> Index:
    """Return the place, key and label of each image of a shard, in order."""
    where = f"{folder.url}/{shown(path)}"
    found: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}  # of all members: links point to them
    try:
        with folder.open(path) as file:
            for member in members(file):
                key, extension = _key(member.name)
                if not key or member.isdir():
                    continue
                _check_key(key, len(places), where)
                places[member.name] = _place(member, places, where)
                if is_image(f"x.{extension}"):
                    if key in found:
                        raise DatasetError(
                            f"{where}: sample {shown(key)} has two images, the second is {shown(member.name)}"
                        )
                    found[key] = places[member.name]
                elif extension in ("cls", "json"):
                    label = _label(file, places[member.name], member.name, where)
                    if label is not None and labels.setdefault(key, label) != label:
                        raise DatasetError(f"{where}: sample {shown(key)} has two labels, {labels[key]} and {label}")
    except EOFError as error:
        raise DatasetError(f"{where}: damaged or cut short after {len(found)} images") from error
    except (OSError, tarfile.TarError) as error:
        reason = shown(str(error) or type(error).__name__)
        raise DatasetError(f"{where}: not a plain tar file ({reason})") from error
    if not found:
        raise DatasetError(f"{where}: no images; wanted samples such as 000001.jpg and 000001.cls")
    return {
        "keys": packed_text(list(found)),
        "starts": np.array([start for start, _ in found.values()], np.int64),
        "sizes": np.array([size for _, size in found.values()], np.int64),
        "labels": np.array([labels.get(key, -1) for key in found], np.int64),
    }


def _key(name: str) -> tuple[str, str]:
    """Return the sample's key and the extension of a member: `a/000001` and `seg.png` of `a/000001.seg.png`."""
    place, _, last = name.rpartition("/")
    stem, _, extension = last.partition(".")
    return (f"{place}/{stem}".removeprefix("./").lstrip("/") if stem else ""), extension


def _check_key(key: str, members_before: int, where: str) -> None:
    """Raise `DatasetError` if a key is too long or not UTF-8, or if the members before it are too many."""
    check_count(members_before // _MOST_FILES, where)
    if len(key) > _LONGEST_KEY or (not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key)):
        raise DatasetError(f"{where}: name {shown(key, 50)}, wanted UTF-8 of at most {_LONGEST_KEY} characters")


def _place(member: tarfile.TarInfo, places: Mapping[str, tuple[int, int]], where: str) -> tuple[int, int]:
    """Return the first byte and the size of a member; a hard link has those of the member it points to."""
    if member.islnk() and member.linkname in places:
        return places[member.linkname]
    if not member.isreg() or member.issparse():
        raise DatasetError(f"{where}: {shown(member.name)} is not a plain file (a link, a device, or sparse)")
    return member.offset_data, member.size


def _label(file: BinaryIO, place: tuple[int, int], name: str, where: str) -> int | None:
    """Return the label in a `.cls` or `.json` file; None if the JSON has no label."""
    start, size = place
    if size > _LONGEST_LABEL:
        raise DatasetError(f"{where}: {shown(name)} is {size:,} bytes long, wanted a label")
    file.seek(start)
    content = file.read(size)
    try:
        value: Any
        if name.endswith(".cls"):
            value = int(content)
        else:
            record = json.loads(content)
            value = next((record[key] for key in ("label", "cls") if key in record), None)
        if value is not None and (type(value) is not int or not -1 <= value < 2**31):
            raise ValueError(value)
        label: int | None = value
        return label
    except (ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"{where}: {shown(name)} holds no label, wanted a whole number") from error


READER = Reader(
    name="tar shards",
    marks="*.tar",
    recognises=lambda folder: folder.with_suffix(".tar"),
    read=_read,
    is_exclusive=True,
)
