"""In which layout a data set is kept, told from the names of its files."""

import re
from pathlib import PurePosixPath

from tasks.datasets.annotated_folders import ANNOTATED
from tasks.datasets.array_files import MNIST, SVHN, mnist, svhn
from tasks.datasets.image_folder import image_folder
from tasks.datasets.opened import OpenedFolder
from tasks.datasets.parquet_shards import parquet_shards
from tasks.datasets.samples import Samples
from tasks.datasets.tar_shards import tar_shards
from tasks.errors import DatasetError


def samples_of(folder: OpenedFolder) -> Samples:
    """Return the samples of a data set, whatever its layout.

    Raises:
        DatasetError: it is none that is known, damaged, or not one only.
    """
    if shards := _with_suffix(folder, ".parquet"):
        return parquet_shards(folder, shards)
    if shards := _with_suffix(folder, ".tar"):
        return tar_shards(folder, shards)
    if packed := _with_suffix(folder, ".tar.gz") + _with_suffix(folder, ".tgz"):
        raise DatasetError(f"{folder.url}/{packed[0]}: packed as a whole, so no picture can be read alone; unpack it")
    images, labels = (_ending(folder, name) + _ending(folder, f"{name}.gz") for name in MNIST)
    if images and labels:
        return mnist(folder, images[0], labels[0])
    if found := _ending(folder, SVHN):
        return svhn(folder, found[0])
    for name, reader in ANNOTATED.items():
        if found := _ending(folder, name):
            return reader(folder, found[0])
    return image_folder(folder)


def _with_suffix(folder: OpenedFolder, suffix: str) -> list[str]:
    """Return the files with a suffix, 2 before 10."""
    return sorted((path for path in folder.entries if path.endswith(suffix)), key=_natural)


def _ending(folder: OpenedFolder, name: str) -> list[str]:
    """Return the files of a name, wherever they lie below the folder; the nearest first."""
    found = [path for path in folder.entries if f"/{path}".endswith(f"/{name}")]
    return sorted(found, key=lambda path: (len(PurePosixPath(path).parts), path))


def _natural(path: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]
