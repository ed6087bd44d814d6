"""Which samples a data set has, without reading an image."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from storage.errors import ObjectMissing
from storage.identity import digest_of
from storage.locations import FileEntry, Location
from tasks.datasets.image_folder import ImageFolder, evenly, image_folder
from tasks.datasets.label_spaces import LabelSpace, label_space
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError


class Listing(NamedTuple):
    """The samples of a data set, in order."""

    folder: ImageFolder
    """Paths relative to the folder, labels, names of the classes."""
    space: LabelSpace | None
    """None: the head's classes are the data set's."""
    digest: str
    """Of all that its batches, and the classes they are scored by, depend on."""


def list_dataset(url: str, limit: int | None, preprocessing: Preprocessing, space: str | None = None) -> Listing:
    """Return the samples of an image folder.

    The digest covers the files' paths, sizes and etags (the time of the last change, where there are none), so it
    changes when an image does, without any image being read.

    Args:
        url: the folder's address.
        limit: at most so many samples, spread evenly.
        preprocessing: how images are prepared.
        space: name of a label space; None: the data set's own classes.

    Raises:
        DatasetError: no images, folders that are no classes, or mapping files that are missing or damaged.
    """
    location = Location(url)
    files = location.files()
    folder = image_folder((entry.path for entry in files), location.url)
    projected = label_space(space, _mappings(location, files)) if space else None
    if projected:
        folder = _relabelled(folder, projected, location.url)
    kept = evenly(len(folder.paths), limit)
    folder = ImageFolder(tuple(folder.paths[i] for i in kept), folder.labels[kept], folder.classes)
    by_path = {entry.path: entry for entry in files}
    identity = {
        "files": [[path, by_path[path].size, by_path[path].etag] for path in folder.paths],
        "classes": list(folder.classes),
        "groups": projected.groups if projected else None,
        "preprocessing": vars(preprocessing) | {"mean": list(preprocessing.mean), "std": list(preprocessing.std)},
    }
    return Listing(folder, projected, digest_of(identity))


def _relabelled(folder: ImageFolder, space: LabelSpace, where: str) -> ImageFolder:
    """Number classes as a label space does; leave out what it does not score."""
    if not folder.classes:
        return folder
    number = [space.class_of(name, where) for name in folder.classes]
    labels = np.array([-1 if n is None else n for n in number], np.int32)[folder.labels]
    scored = np.flatnonzero(labels >= 0)
    if not len(scored):
        raise DatasetError(f"{where}: no folder of {space.name}, got {', '.join(folder.classes[:3])}")
    names = [""] * len(space.groups)
    for name, i in space.folders.items():
        names[i] = names[i] or name
    return ImageFolder(tuple(folder.paths[i] for i in scored), labels[scored], tuple(names))


def _mappings(location: Location, files: Sequence[FileEntry]) -> Callable[[str], bytes]:
    """Return a reader of the files in `mappings`, inside of the images' folder or beside it."""
    inside = {entry.path for entry in files}

    def read(name: str) -> bytes:
        place = location.url if f"mappings/{name}" in inside else location.url.rpartition("/")[0]
        wanted = Location(f"{place}/mappings/{name}")
        try:
            with wanted.open() as file:
                return file.read()
        except ObjectMissing as error:
            raise DatasetError(f"{location.url}: {wanted.url} is missing, which comes with the data set") from error

    return read
