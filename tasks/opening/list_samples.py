"""Which samples a data set has, without reading an image."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from storage.errors import ObjectMissing
from storage.identity import digest_of
from storage.locations import Location
from storage.text import shown
from tasks.datasets.label_spaces import LabelSpace, label_space
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.folder import MOST_LISTED, Folder
from tasks.datasets.readers.recognition import samples_of
from tasks.datasets.samples import Samples, evenly
from tasks.errors import DatasetError


class Listing(NamedTuple):
    """The samples of a data set, in order."""

    samples: Samples
    space: LabelSpace | None
    """None: the head's classes are the data set's."""
    digest: str
    """Of all that its batches, and the classes they are scored by, depend on."""


def list_dataset(url: str, limit: int | None, preprocessing: Preprocessing, space: str | None = None) -> Listing:
    """Return the samples of a data set: image folder, Parquet files, tar shards, or one of torchvision's layouts.

    The digest covers the files' paths, sizes and etags (the time of the last change, where there are none), so it
    changes when an image does, without any image being read.

    Args:
        url: the address of a folder, a file, or a pattern such as `test-*.parquet`.
        limit: at most so many samples, spread evenly.
        preprocessing: how images are prepared.
        space: name of a label space; None: the data set's own classes.

    Raises:
        DatasetError: no images, folders that are no classes, or files that are missing or damaged.
    """
    folder = opened_folder(url)
    samples = samples_of(folder)
    projected = label_space(space, _mappings(folder)) if space else None
    if projected:
        samples = _relabelled(samples, projected, folder.url)
    samples = samples.only(evenly(len(samples), limit))
    identity = {
        "pictures": samples.pictures.content(samples.rows),
        "labels": digest_of(samples.labels.tolist()),
        "classes": list(samples.classes),
        "groups": projected.groups if projected else None,
        "preprocessing": vars(preprocessing) | {"mean": list(preprocessing.mean), "std": list(preprocessing.std)},
    }
    return Listing(samples, projected, digest_of(identity))


def opened_folder(url: str) -> Folder:
    """Return a folder as the readers of data sets take it; `ObjectMissing` when there is none."""
    location = Location(url)
    filesystem, root, found, is_chosen = location.find()
    return Folder(location.url, filesystem, root, {entry.path: entry for entry in found}, is_chosen)


def _relabelled(samples: Samples, space: LabelSpace, where: str) -> Samples:
    """Number classes as a label space does; leave out what it does not score."""
    if not samples.classes:
        return samples
    if samples.by_number and not any(name in space.folders for name in samples.classes if samples.named):
        number = space.numbers(samples, where)
    else:
        number = [space.class_of(name, where) for name in samples.classes]
    labels = np.array([-1 if n is None else n for n in number], np.int32)[samples.labels]
    scored = np.flatnonzero(labels >= 0)
    if not len(scored):
        raise DatasetError(f"{where}: no folder of {space.name}, got {shown(', '.join(samples.classes[:3]))}")
    names = [""] * len(space.groups)
    for name, i in space.folders.items():
        names[i] = names[i] or name
    return replace(samples, labels=labels, classes=tuple(names), named=True).only(scored)


def _mappings(folder: Folder) -> Callable[[str], bytes]:
    """Return a reader of the files in `mappings`, inside of the images' folder or beside it."""

    def read(name: str) -> bytes:
        place = folder.url if f"mappings/{name}" in folder.entries else folder.url.rpartition("/")[0]
        wanted = Location(f"{place}/mappings/{name}")
        try:
            with wanted.open() as file:
                content = file.read(MOST_LISTED + 1)
        except ObjectMissing as error:
            raise DatasetError(f"{folder.url}: {wanted.url} is missing, which comes with the data set") from error
        if len(content) > MOST_LISTED:
            raise DatasetError(f"{wanted.url}: more than {MOST_LISTED:,} bytes, wanted a mapping of classes")
        return content

    return read
