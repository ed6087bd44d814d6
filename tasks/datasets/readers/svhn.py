"""SVHN's cropped digits as torchvision keeps them: `test_32x32.mat` holds images and labels."""

import numpy as np
from numpy.typing import NDArray

from storage.text import shown
from tasks.datasets.files.digit_arrays import ArrayImages, digit_samples
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.matlab import matlab_array
from tasks.datasets.readers.reader import reader_of_file
from tasks.datasets.samples import Samples, check_count
from tasks.errors import DatasetError


def _read(folder: Folder, path: str) -> Samples:
    found = np.asarray(matlab_array(folder, path, "y"))
    if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
        raise DatasetError(f"{folder.url}/{shown(path)}: y is {found.dtype}, wanted numbers")
    check_count(found.size, folder.url)
    labels = found.reshape(-1).astype(np.int32) % 10  # the file labels a zero 10
    return digit_samples(ArrayImages(folder, path, (folder.entries.at(path),), _load), labels)


def _load(folder: Folder, path: str) -> NDArray[np.uint8]:
    """Return the images (n, 32, 32, 3) of the file's array (32, 32, 3, n)."""
    array = matlab_array(folder, path, "X")
    if array.ndim != 4 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise DatasetError(f"{folder.url}/{shown(path)}: X is {array.dtype} {array.shape}, wanted bytes (h, w, 3, n)")
    return np.ascontiguousarray(np.moveaxis(array, -1, 0))


READER = reader_of_file("SVHN", "test_32x32.mat", _read)
