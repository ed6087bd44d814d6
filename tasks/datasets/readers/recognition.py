"""In which layout a data set is kept, told from the names of its files."""

import re
from pathlib import PurePosixPath

from storage.text import shown
from tasks.datasets.readers.annotated_folders import ANNOTATED
from tasks.datasets.readers.array_files import MNIST, SVHN, mnist, svhn
from tasks.datasets.readers.folder import Folder
from tasks.datasets.readers.image_folder import image_folder, is_image
from tasks.datasets.readers.parquet_shards import parquet_shards
from tasks.datasets.readers.tar_shards import tar_shards
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError


def samples_of(folder: Folder) -> Samples:
    """Return the samples of a data set, whatever its layout.

    Raises:
        DatasetError: it is none that is known, damaged, or could be several.
    """
    parquet, tars = _with_suffix(folder, ".parquet"), _with_suffix(folder, ".tar")
    pictures = next((path for path in folder.entries if is_image(path)), None)
    kinds = {"Parquet": parquet[:1], "tar shards": tars[:1], "pictures": [pictures] if pictures else []}
    there = {kind: paths[0] for kind, paths in kinds.items() if paths}
    if len(there) > 1:
        told = " and ".join(f"{kind} ({shown(path)})" for kind, path in there.items())
        raise DatasetError(f"{folder.url}: {told}; name the folder of one of them, or a pattern such as *.tar")
    if parquet:
        return parquet_shards(folder, parquet)
    if tars:
        return tar_shards(folder, tars)
    if images := [path for name in (MNIST[0], f"{MNIST[0]}.gz") for path in _ending(folder, name)]:
        return mnist(folder, *_mnist_pair(folder, images))
    if found := _only(folder, SVHN):
        return svhn(folder, found)
    for name, reader in ANNOTATED.items():
        if found := _only(folder, name):
            return reader(folder, found)
    packed = [path for path in folder.entries if path.endswith((".tar.gz", ".tgz"))]
    if packed and not pictures:
        raise DatasetError(
            f"{folder.url}/{shown(packed[0])}: packed as a whole, so no picture can be read alone; unpack it"
        )
    return image_folder(folder)


def _mnist_pair(folder: Folder, images: list[str]) -> tuple[str, str]:
    """Return the files of pictures and labels, which lie in one folder; unpacked ones first."""
    places = {path.rpartition("/")[0] for path in images}
    if len(places) > 1:
        raise DatasetError(f"{folder.url}: several data sets, in {shown(', '.join(sorted(places)))}; name one")
    below = f"{places.pop()}/".lstrip("/")
    for labels in (f"{below}{MNIST[1]}", f"{below}{MNIST[1]}.gz"):
        if labels in folder.entries:
            return images[0], labels
    raise DatasetError(f"{folder.url}: {shown(below)}{MNIST[1]} is missing, which comes with {shown(images[0])}")


def _only(folder: Folder, name: str) -> str | None:
    """Return the one file of a name; None when there is none."""
    found = _ending(folder, name)
    if len(found) > 1:
        raise DatasetError(f"{folder.url}: several data sets, {shown(', '.join(found))}; name one's folder")
    return found[0] if found else None


def _with_suffix(folder: Folder, suffix: str) -> list[str]:
    """Return the files with a suffix, 2 before 10."""
    return sorted((path for path in folder.entries if path.endswith(suffix)), key=_natural)


def _ending(folder: Folder, name: str) -> list[str]:
    """Return the files of a name, wherever they lie below the folder; the nearest first."""
    found = [path for path in folder.entries if f"/{path}".endswith(f"/{name}")]
    return sorted(found, key=lambda path: (len(PurePosixPath(path).parts), path))


def _natural(path: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d{1,18})", path)]
