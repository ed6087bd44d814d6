"""WebDataset: tar shards in which the files of a sample follow each other, named by its key and an extension.

Shards are gone through once for where each picture lies; from then on a picture is a range of bytes, and only the ones
asked for are read.
"""

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from storage.files import FileEntry
from storage.text import shown
from tasks.datasets.readers.folder import Folder, Piece
from tasks.datasets.readers.image_folder import MOST_ENCODED, is_image, too_long
from tasks.datasets.readers.shard_index import Index, index_of, packed_text, unpacked_text
from tasks.datasets.readers.tar_members import members
from tasks.datasets.samples import Picture, Samples, check_count, numbered, runs
from tasks.datasets.splits import check_split
from tasks.errors import DatasetError

CLASS_NAMES = "classnames.txt"  # one a line, beside the shards or above them
_LONGEST_LABEL = 64 * 1024  # bytes; a longer file is no label
_MOST_FILES = 4  # of a sample, on the average: its picture, its label and what else comes with it
_LONGEST_KEY = 1024  # characters; the longest path that S3 knows, in bytes


@dataclass(frozen=True)
class TarPictures:
    """Pictures in tar files.

    Attributes:
        folder: where the files are.
        shards: the files.
        places: (n, 3) each picture's shard, first byte and size.
        keys: the samples' own names.
    """

    folder: Folder
    shards: tuple[tuple[str, FileEntry], ...]
    places: NDArray[np.int64]
    keys: tuple[str, ...]

    def read(self, indices: Sequence[int]) -> list[Picture]:
        """See `Pictures`."""
        places = self.places[np.asarray(indices, np.int64)].tolist()
        pieces = [Piece(self.shards[shard][0], start, start + size) for shard, start, size in places]
        sound = [piece for piece in dict.fromkeys(pieces) if piece.stop - piece.start <= MOST_ENCODED]
        found = dict(zip(sound, self.folder.read_pieces(sound), strict=True))
        return [found[p] if p in found else too_long(p.stop - p.start) for p in pieces]

    def name(self, index: int) -> str:
        """Return the tar file's path and the sample's key."""
        return (
            f"{self.folder.root}/{shown(self.shards[int(self.places[index, 0])][0])}, sample {shown(self.keys[index])}"
        )

    def content(self, indices: NDArray[np.int64]) -> list[Any]:
        """Return all files' paths, sizes and etags, and which samples."""
        return [[[path, entry.size, entry.etag] for path, entry in self.shards], runs(indices)]


def tar_shards(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return the samples of tar shards, shard by shard in the order given.

    A sample's label is its `.cls`, or `label` or `cls` in its `.json`.

    Raises:
        DatasetError: a file is no tar, or holds no pictures.
    """
    check_split(folder, paths)
    indices = [_index(folder, path) for path in paths]
    places = [
        np.column_stack([np.full(len(index["starts"]), shard), index["starts"], index["sizes"]])
        for shard, index in enumerate(indices)
    ]
    keys = tuple(key for index in indices for key in unpacked_text(index["keys"]))
    shards = tuple((path, folder.entries[path]) for path in paths)
    pictures = TarPictures(folder, shards, np.concatenate(places).astype(np.int64), keys)
    labels = np.concatenate([index["labels"] for index in indices])
    return numbered(pictures, labels, _class_names(folder), folder.url)


def _class_names(folder: Folder) -> list[str]:
    content = folder.beside(CLASS_NAMES) or b""
    return [line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()]


def _index(folder: Folder, path: str) -> Index:
    names = ("keys", "starts", "sizes", "labels")
    return index_of(folder, path, "tar/3", lambda: _looked_through(folder, path), names)


def _looked_through(folder: Folder, path: str) -> Index:
    """Return where a shard's pictures are, in order, with keys and labels."""
    where = f"{folder.url}/{shown(path)}"
    found: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}  # of every member, for the links to it
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
                        told = f"sample {shown(key)} has two pictures, the second is {shown(member.name)}"
                        raise DatasetError(f"{where}: {told}")
                    found[key] = places[member.name]
                elif extension in ("cls", "json"):
                    label = _label(file, places[member.name], member.name, where)
                    if label is not None and labels.setdefault(key, label) != label:
                        told = f"sample {shown(key)} has two labels, {labels[key]} and {label}"
                        raise DatasetError(f"{where}: {told}")
    except EOFError as error:
        raise DatasetError(f"{where}: damaged or cut short after {len(found)} pictures") from error
    except (OSError, tarfile.TarError) as error:
        told = shown(str(error) or type(error).__name__)
        raise DatasetError(f"{where}: not a plain tar file ({told})") from error
    if not found:
        raise DatasetError(f"{where}: no pictures; wanted samples such as 000001.jpg and 000001.cls")
    return {
        "keys": packed_text(list(found)),
        "starts": np.array([start for start, _ in found.values()], np.int64),
        "sizes": np.array([size for _, size in found.values()], np.int64),
        "labels": np.array([labels.get(key, -1) for key in found], np.int64),
    }


def _key(name: str) -> tuple[str, str]:
    """Return a sample's key and the rest of a member's name: `a/000001.seg.png` is `seg.png` of `a/000001`."""
    place, _, last = name.rpartition("/")
    stem, _, extension = last.partition(".")
    return (f"{place}/{stem}".removeprefix("./").lstrip("/") if stem else ""), extension


def _check_key(key: str, members_before: int, where: str) -> None:
    """Raise `DatasetError` for a key that is too long to be kept, or the first file that is too many."""
    check_count(members_before // _MOST_FILES, where)
    if len(key) > _LONGEST_KEY or (not key.isascii() and any("\ud800" <= c <= "\udfff" for c in key)):
        raise DatasetError(f"{where}: name {shown(key, 50)}, wanted UTF-8 of at most {_LONGEST_KEY} characters")


def _place(member: tarfile.TarInfo, places: Mapping[str, tuple[int, int]], where: str) -> tuple[int, int]:
    """Return where a member's bytes are; of a second link to a file, those of the first."""
    if member.islnk() and member.linkname in places:
        return places[member.linkname]
    if not member.isreg() or member.issparse():
        raise DatasetError(f"{where}: {shown(member.name)} is no plain file (a link, a device, or sparse)")
    return member.offset_data, member.size


def _label(file: BinaryIO, place: tuple[int, int], name: str, where: str) -> int | None:
    """Return a sample's label; None when a JSON has none."""
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
