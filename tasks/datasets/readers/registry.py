"""The formats of data sets, and the choice of the reader for a folder."""

from importlib import import_module

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.readers.reader import Reader
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError

_FILES = (
    "parquet",
    "webdataset",
    "mnist",
    "svhn",
    "gtsrb",
    "stanford_cars",
    "dtd",
    "resisc45",
    "sun397",
    "image_folder",  # last: the images of other formats lie in folders too
)
READERS: tuple[Reader, ...] = tuple(import_module(f"{__package__}.{file}").READER for file in _FILES)
"""The readers in the order of precedence: the first that recognises a folder reads it."""


def read_samples(folder: Folder, *, labelled: bool = True) -> Samples:
    """Return the samples of a data set in any of the registered formats.

    Args:
        folder: the files.
        labelled: whether labels matter; without, images may lie anywhere in folders of images.

    Raises:
        DatasetError: the folder has no known format or several, or its files are damaged or missing.
    """
    found = [(reader, paths) for reader in READERS if (paths := reader.recognises(folder))]
    exclusive = [f"{reader.name} ({shown(paths[0])})" for reader, paths in found if reader.is_exclusive]
    if len(exclusive) > 1:
        raise DatasetError(
            f"{folder.url}: {' and '.join(exclusive)}; name the folder of one of them, or a pattern such as *.tar"
        )
    if not found:
        raise _unrecognised(folder)
    reader, paths = found[0]
    read = reader.read if labelled else reader.read_unlabelled or reader.read
    return read(folder, paths)


def _unrecognised(folder: Folder) -> DatasetError:
    packed = [*folder.entries.ending(".tar.gz"), *folder.entries.ending(".tgz")]
    if packed:
        return DatasetError(
            f"{folder.url}/{shown(packed[0])}: packed as a whole, so no image can be read alone; unpack it"
        )
    wanted = "; ".join(f"{reader.marks} ({reader.name})" for reader in reversed(READERS))
    return DatasetError(f"{folder.url}: no images; wanted {wanted}")
