"""The samples of a data set at an address, listed without reading an image."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.errors import ObjectMissing
from storage.identity import digest_in_pieces, digest_of_list
from storage.locations import Location
from storage.text import shown
from tasks.datasets.files.folder import MOST_LIST_BYTES, Folder
from tasks.datasets.label_spaces import LabelSpace, label_space
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.registry import read_samples
from tasks.datasets.samples import Samples, evenly
from tasks.errors import DatasetError
from tasks.references.datasets import DatasetReference
from tasks.references.versions import computation

_AT_ONCE = 65_536  # labels that are Python objects at a time


class Unlabelled(NamedTuple):
    """The classes by which images without labels are scored."""

    groups: tuple[tuple[int, ...], ...] | None
    """For each class the head's classes that it stands for; None: they are the head's."""


class Dataset(NamedTuple):
    """A data set: its samples, and how they are scored."""

    samples: Samples
    """The samples, in order; with labels of the label space if it has one."""
    space: LabelSpace | None
    """The label space; None if a head has the classes of the data set."""
    digest: str
    """Digest of everything on which the batches depend, and the classes by which they are scored."""


def list_dataset(
    url: str,
    limit: int | None,
    preprocessing: Preprocessing,
    space: str | None = None,
    *,
    scored_as: Unlabelled | None = None,
) -> Dataset:
    """Return a data set in any format that `tasks.datasets.readers` has.

    The digest covers the paths, sizes and etags of the files (the times of their last change if the file system has no
    etags). So it changes when an image changes, although no image is read.

    Args:
        url: address of a folder, a file, or a pattern such as `test-*.parquet`.
        limit: number of samples to use, spread evenly; None uses all.
        preprocessing: how images are prepared.
        space: name of a label space; None for the data set's own classes.
        scored_as: the classes by which images without labels are scored. Labels and classes of their own are ignored,
            and no label space is needed. None: the data set is scored by its own labels.

    Raises:
        DatasetError: no images, folders that are not classes of the label space, or missing or damaged files.
        ObjectMissing: nothing exists at the address.
    """
    folder = open_folder(url)
    samples = read_samples(folder, labelled=scored_as is None)
    if scored_as:
        samples = replace(samples, labels=np.full(len(samples), -1, np.int32), classes=(), named=True)
    projected = label_space(space, _mappings(folder)) if space else None
    if projected:
        samples = _relabelled(samples, projected, folder.url)
    samples = samples.only(evenly(len(samples), limit))
    identity = {
        "computation": computation("samples"),
        "labels": digest_of_list(_numbers(samples.labels)),  # the keys are part of every digest and never change
        "classes": list(samples.classes),
        "groups": projected.groups if projected else scored_as and scored_as.groups,
        "preprocessing": vars(preprocessing) | {"mean": list(preprocessing.mean), "std": list(preprocessing.std)},
    }
    pictures = samples.images.content(samples.rows)  # of millions of files, which no text holds at once
    return Dataset(samples, projected, digest_in_pieces(identity, {"pictures": pictures}))


def list_again(reference: DatasetReference) -> Dataset:
    """Return the samples of a data set, listed in the way that a reference to it was made.

    The caller compares the digests, since the images may have changed meanwhile.

    Args:
        reference: the data set.

    Raises:
        DatasetError: as `list_dataset`.
        ObjectMissing: nothing exists at the address.
    """
    scored_as = Unlabelled(reference.groups) if reference.unlabelled else None
    space = None if scored_as else reference.label_space
    return list_dataset(reference.url, reference.limit, reference.preprocessing, space, scored_as=scored_as)


def open_folder(url: str) -> Folder:
    """Return the files at an address as the readers of data sets take them.

    Args:
        url: address of a folder, a file, or a pattern.

    Raises:
        ObjectMissing: nothing exists at the address.
        DatasetError: the name of a file is not UTF-8.
    """
    location = Location(url)
    return Folder(location.url, *location.find())


def _numbers(labels: NDArray[np.int32]) -> Iterator[int]:
    for start in range(0, len(labels), _AT_ONCE):
        yield from labels[start : start + _AT_ONCE].tolist()


def _relabelled(samples: Samples, space: LabelSpace, where: str) -> Samples:
    """Return the samples that a label space scores, with its numbers and names of the classes."""
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
    """Return a function that reads a file of `mappings`, a folder inside the folder of the images or beside it."""

    def read(name: str) -> bytes:
        place = folder.url if f"mappings/{name}" in folder.entries else folder.url.rpartition("/")[0]
        wanted = Location(f"{place}/mappings/{name}")
        try:
            with wanted.open() as file:
                content = file.read(MOST_LIST_BYTES + 1)
        except ObjectMissing as error:
            raise DatasetError(f"{folder.url}: {wanted.url} is missing, which comes with the data set") from error
        if len(content) > MOST_LIST_BYTES:
            raise DatasetError(f"{wanted.url}: more than {MOST_LIST_BYTES:,} bytes, wanted a mapping of classes")
        return content

    return read
