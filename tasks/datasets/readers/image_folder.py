"""Image folders: one directory per class, or images without labels directly inside."""

from collections.abc import Sequence

import numpy as np

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.image_files import IMAGE_SUFFIXES, image_files, is_image
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples, check_class_names, named_samples
from tasks.errors import DatasetError


def _recognises(folder: Folder) -> list[str]:
    return sorted(path for path in folder.entries if is_image(path))


def _read(folder: Folder, paths: Sequence[str]) -> Samples:
    """Return one sample for each image, in the sorted order of the paths.

    The first directory of a path is its class, and classes are numbered in the sorted order of their names.
    """
    parts = [path.split("/") for path in paths]
    loose = [path for path, p in zip(paths, parts, strict=True) if len(p) == 1]
    if loose and len(loose) < len(paths):
        raise DatasetError(
            f"{folder.url}: {len(loose)} images outside of the class directories, the first is {shown(loose[0])}"
        )
    if loose:
        return named_samples(image_files(folder, paths), np.full(len(paths), -1, np.int32), ())
    classes = sorted({p[0] for p in parts})
    check_class_names(classes, folder.url)
    number = {name: i for i, name in enumerate(classes)}
    return named_samples(image_files(folder, paths), np.array([number[p[0]] for p in parts], np.int32), classes)


READER = Reader(
    name="images",
    marks=f"one directory per class with {', '.join(sorted(IMAGE_SUFFIXES))}",
    recognises=_recognises,
    read=_read,
    is_exclusive=True,
)
