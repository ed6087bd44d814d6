"""Image files of which a list beside them names the test split and the classes, as torchvision downloads them."""

from collections.abc import Sequence

import numpy as np

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.image_files import image_files, images_in
from tasks.datasets.samples import Samples, check_class_names, check_count, named_samples
from tasks.errors import DatasetError


def listed_samples(
    folder: Folder, listed: str, paths: Sequence[str], labels: Sequence[int], classes: Sequence[str], *, below: str
) -> Samples:
    """Return the samples that a list names, in its order.

    Args:
        folder: the folder of the data set.
        listed: the list's path.
        paths: the images' paths as the list gives them.
        labels: the images' classes, numbered from 0.
        classes: names of the classes, in order.
        below: end of the path of the directory in which the list's paths start, such as `Final_Test/Images`. It decides
            if the first image is found below several directories.

    Raises:
        DatasetError: the list is empty, a class is out of range, or an image is missing.
    """
    prefix = _prefix_of(folder, listed, paths, below)
    return _samples(folder, listed, [f"{prefix}{path}" for path in paths], labels, classes)


def samples_in_class_directories(
    folder: Folder, listed: str, paths: Sequence[str], *, below: str, classes: Sequence[str] | None = None
) -> Samples:
    """Return the samples that a list names, in its order; the directory of each path is the class.

    Args:
        folder: the folder of the data set.
        listed: the list's path.
        paths: the images' paths as the list gives them.
        below: end of the path of the directory that holds the classes' directories.
        classes: the classes in order; by default all directories with images, sorted.

    Raises:
        DatasetError: the list is empty, names an unknown class, or names an image that is missing.
    """
    prefix = _prefix_of(folder, listed, paths, below)
    if classes is None:
        inside = (path for path in images_in(folder).paths if path.startswith(prefix))
        classes = sorted({path.removeprefix(prefix).rpartition("/")[0] for path in inside})
    check_class_names(classes, folder.url)
    number = {name: i for i, name in enumerate(classes)}
    own = [path.rpartition("/")[0] for path in paths]
    if unknown := sorted({name for name in own if name not in number}):
        raise DatasetError(f"{folder.url}/{shown(listed)}: no class '{shown(unknown[0])}' among {len(number)}")
    return _samples(folder, listed, [f"{prefix}{path}" for path in paths], [number[name] for name in own], classes)


def companion(folder: Folder, name: str) -> str:
    """Return the path of a file that comes with the data set, the first in sorted order if several have the name.

    Raises:
        DatasetError: the file is missing.
    """
    found = sorted(folder.named(name))
    if not found:
        raise DatasetError(f"{folder.url}: {name} is missing, which comes with the data set")
    return found[0]


def text(folder: Folder, path: str) -> str:
    """Return the content of a text file.

    Raises:
        DatasetError: the file cannot be read, or is not UTF-8.
    """
    try:
        return folder.read(path).decode()
    except UnicodeDecodeError as error:
        raise damaged(folder, path, "text") from error


def damaged(folder: Folder, path: str, wanted: str) -> DatasetError:
    """Return the error for a list that does not hold the columns or fields that it should."""
    return DatasetError(f"{folder.url}/{shown(path)}: damaged, wanted {wanted}")


def _prefix_of(folder: Folder, listed: str, paths: Sequence[str], below: str) -> str:
    """Return the path, with its slash, of the directory in which a list's paths start, found by the first of them."""
    if not any(paths[:1]):
        raise DatasetError(f"{folder.url}/{shown(listed)}: names no images")
    found = sorted(full.removesuffix(paths[0]) for full in folder.named(paths[0]))
    chosen = [prefix for prefix in found if prefix.rstrip("/").endswith(below)] or found
    if not chosen:
        raise DatasetError(f"{folder.url}: image '{shown(paths[0])}' is missing, wanted below {below}")
    return chosen[0]


def _samples(
    folder: Folder, listed: str, paths: Sequence[str], labels: Sequence[int], classes: Sequence[str]
) -> Samples:
    check_count(len(paths), f"{folder.url}/{shown(listed)}")
    if not 0 <= min(labels) <= max(labels) < len(classes):
        raise DatasetError(
            f"{folder.url}/{shown(listed)}: classes from {shown(f'{min(labels)} to {max(labels)}')}, "
            f"wanted {len(classes)} from 0"
        )
    return named_samples(image_files(folder, paths), np.array(labels, np.int32), classes)
