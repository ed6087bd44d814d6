"""SVHN: images along the last axis of an array, a zero labelled 10."""

import formats
import numpy as np
import pytest
from reader_contract import ReaderContract, samples_in
from scipy.io import savemat

from tasks.datasets.readers.svhn import READER
from tasks.errors import DatasetError


class TestSvhn(ReaderContract):
    """`test_32x32.mat`; the writer labels a zero 10."""

    reader = READER
    labels = (0, 9, 0, 1)
    classes = tuple("0123456789")

    def images(self, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (len(self.labels), 32, 32, 3), dtype=np.uint8)

    def write(self, folder, images, labels):
        formats.write_svhn(folder, images, labels)


def test_two_data_sets_below_one_folder_are_refused(tmp_path):
    """The message names the files of both."""
    for name in ("a", "b"):
        formats.write_svhn(tmp_path / name, np.zeros((1, 32, 32, 3), np.uint8), [1])
    with pytest.raises(
        DatasetError, match=r"several data sets, a/test_32x32\.mat, b/test_32x32\.mat; name one's folder"
    ):
        samples_in(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (None, "no array y of a MATLAB file"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1.0], [np.nan]])}, "y is float64, wanted numbers"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": np.array([[1], [2]])}, r"X is float64 \(32, 32, 3, 2\), wanted bytes"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1]])}, "2 images, 1 labels"),
    ],
)
def test_other_files_of_that_name_are_refused(tmp_path, arrays, message):
    """The message says which array is missing or has another form."""
    file = tmp_path / "test_32x32.mat"
    savemat(file, arrays) if arrays else file.write_bytes(b"no")
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)
