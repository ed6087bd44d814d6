"""Image folders: one directory per class, or images without labels directly inside."""

from collections.abc import Sequence

import numpy as np

from storage.file_table import Paths
from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.image_files import IMAGE_SUFFIXES, ImageFiles, images_in
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples, check_class_names, named_samples
from tasks.errors import DatasetError


def _recognises(folder: Folder) -> Paths:
    return images_in(folder).paths


def _read(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return one sample for each image, in the sorted order of the paths.

    The first directory of a path is its class, and classes are numbered in the sorted order of their names.
    """
    files = paths.files if isinstance(paths, Paths) else images_in(folder)
    loose = np.flatnonzero(~files.matching("/"))
    if 0 < len(loose) < len(files):
        raise DatasetError(
            f"{folder.url}: {len(loose)} images outside of the class directories, "
            f"the first is {shown(files[int(loose[0])].path)}"
        )
    if len(loose):
        return _read_unlabelled(folder, paths)
    names, counts = files.first_folders()  # in the order of the paths, in which `a-b/x` comes before `a/x`
    classes = sorted(names)
    check_class_names(classes, folder.url)
    number = {name: i for i, name in enumerate(classes)}
    return named_samples(
        ImageFiles(folder, files), np.repeat(np.array([number[n] for n in names], np.int32), counts), classes
    )


def _read_unlabelled(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return one sample for each image, wherever it lies, in the sorted order of the paths."""
    files = paths.files if isinstance(paths, Paths) else images_in(folder)
    return named_samples(ImageFiles(folder, files), np.full(len(files), -1, np.int32), ())


READER = Reader(
    name="images",
    marks=f"one directory per class with {', '.join(sorted(IMAGE_SUFFIXES))}",
    recognises=_recognises,
    read=_read,
    read_unlabelled=_read_unlabelled,
    is_exclusive=True,
)
