"""Image files whose test split and classes are told by a list beside them, in the layouts that torchvision downloads.

GTSRB (`GT-final_test.csv`), Stanford Cars (`cars_test_annos_withlabels.mat`), DTD (`labels/test1.txt`), RESISC45
(`resisc45-test.txt`, torchgeo's split) and SUN397 (`Testing_01.txt`, `ClassName.txt`). Each function takes the opened
folder and the path of its list, and returns the samples in the list's order.
"""

import csv
import io
from collections.abc import Callable, Sequence

import numpy as np

from storage.text import shown
from tasks.datasets.readers.folder import Folder
from tasks.datasets.readers.image_folder import files, is_image
from tasks.datasets.readers.matlab import matlab_array
from tasks.datasets.samples import Samples, all_of, check_count, check_names
from tasks.errors import DatasetError

Reader = Callable[[Folder, str], Samples]


def gtsrb(folder: Folder, listed: str) -> Samples:
    """`GT-final_test.csv`: semicolons, `Filename` and `ClassId`; the pictures in a `Final_Test/Images`."""
    names, labels, text = list[str](), list[int](), _text(folder, listed)
    try:
        for row in csv.DictReader(io.StringIO(text), delimiter=";"):
            names.append(row["Filename"])
            labels.append(int(row["ClassId"]))
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise _damaged(folder, listed, "columns Filename and ClassId") from error
    below = _folder_of(folder, names[0] if names else "", "Final_Test/Images")
    return _samples(folder, [f"{below}{name}" for name in names], labels, [f"{i:05d}" for i in range(43)], listed)


def stanford_cars(folder: Folder, listed: str) -> Samples:
    """`cars_test_annos_withlabels.mat`; classes from 1, their names in `cars_meta.mat` of the devkit."""
    annotations = np.atleast_1d(matlab_array(folder, listed, "annotations"))
    meta = _beside(folder, "cars_meta.mat")
    names = [str(name) for name in np.atleast_1d(matlab_array(folder, meta, "class_names"))]
    check_names(names, folder.url)
    try:
        labels = [int(row["class"]) - 1 for row in annotations]
        pictures = [str(row["fname"]) for row in annotations]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise _damaged(folder, listed, "fields class and fname") from error
    below = _folder_of(folder, pictures[0] if pictures else "", "cars_test")
    return _samples(folder, [f"{below}{name}" for name in pictures], labels, names, listed)


def dtd(folder: Folder, listed: str) -> Samples:
    """`labels/test1.txt`: paths such as `banded/banded_0002.jpg`, below `images`."""
    return _by_directory(folder, listed, _text(folder, listed).split(), "images")


def resisc45(folder: Folder, listed: str) -> Samples:
    """`resisc45-test.txt`: names such as `airplane_001.jpg`, each in the directory of its class."""
    names = _text(folder, listed).split()
    paths = [f"{name.rpartition('_')[0]}/{name}" for name in names]
    return _by_directory(folder, listed, paths, "NWPU-RESISC45")


def sun397(folder: Folder, listed: str) -> Samples:
    """`Testing_01.txt`: paths such as `/a/abbey/sun_x.jpg`; classes in the order of `ClassName.txt`."""
    names = [line.strip("/") for line in _text(folder, _beside(folder, "ClassName.txt")).split()]
    paths = [line.strip("/") for line in _text(folder, listed).split()]
    return _by_directory(folder, listed, paths, "SUN397", names)


ANNOTATED: dict[str, Reader] = {
    "GT-final_test.csv": gtsrb,
    "cars_test_annos_withlabels.mat": stanford_cars,
    "labels/test1.txt": dtd,
    "resisc45-test.txt": resisc45,
    "Testing_01.txt": sun397,
}
"""By the name that the list's path ends in."""


def _by_directory(
    folder: Folder, listed: str, paths: Sequence[str], wanted: str, classes: Sequence[str] | None = None
) -> Samples:
    """Return samples whose directories are their classes, sorted, or in an order of their own."""
    below = _folder_of(folder, paths[0] if paths else "", wanted)
    if classes is None:
        inside = [path.removeprefix(below) for path in folder.entries if path.startswith(below) and is_image(path)]
        classes = sorted({path.rpartition("/")[0] for path in inside})
    check_names(classes, folder.url)
    number = {name: i for i, name in enumerate(classes)}
    own = [path.rpartition("/")[0] for path in paths]
    if unknown := sorted({name for name in own if name not in number}):
        raise DatasetError(f"{folder.url}/{shown(listed)}: no class '{shown(unknown[0])}' among {len(number)}")
    return _samples(folder, [f"{below}{path}" for path in paths], [number[name] for name in own], classes, listed)


def _samples(
    folder: Folder, paths: Sequence[str], labels: Sequence[int], classes: Sequence[str], listed: str
) -> Samples:
    if not paths:
        raise DatasetError(f"{folder.url}/{shown(listed)}: names no pictures")
    check_count(len(paths), f"{folder.url}/{shown(listed)}")
    if not 0 <= min(labels) <= max(labels) < len(classes):
        raise DatasetError(
            f"{folder.url}/{shown(listed)}: classes from {shown(f'{min(labels)} to {max(labels)}')}, "
            f"wanted {len(classes)} from 0"
        )
    return all_of(files(folder, paths), np.array(labels, np.int32), classes)


def _folder_of(folder: Folder, path: str, wanted: str) -> str:
    """Return the prefix under which a picture lies: the one that ends in the folder wanted, where there are several."""
    found = sorted(full.removesuffix(path) for full in folder.entries if path and f"/{full}".endswith(f"/{path}"))
    chosen = [prefix for prefix in found if prefix.rstrip("/").endswith(wanted)] or found
    if not chosen:
        raise DatasetError(f"{folder.url}: picture '{shown(path)}' is missing, wanted below {wanted}")
    return chosen[0]


def _beside(folder: Folder, name: str) -> str:
    found = sorted(path for path in folder.entries if f"/{path}".endswith(f"/{name}"))
    if not found:
        raise DatasetError(f"{folder.url}: {name} is missing, which comes with the data set")
    return found[0]


def _text(folder: Folder, path: str) -> str:
    try:
        return folder.read(path).decode()
    except UnicodeDecodeError as error:
        raise _damaged(folder, path, "text") from error


def _damaged(folder: Folder, path: str, wanted: str) -> DatasetError:
    return DatasetError(f"{folder.url}/{shown(path)}: damaged, wanted {wanted}")
