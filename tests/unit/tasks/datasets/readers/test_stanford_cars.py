"""Stanford Cars: annotations in a MATLAB file that numbers classes from 1, names in the devkit."""

import formats
import pytest
from reader_contract import LABELS, ReaderContract, samples_in

from tasks.datasets.readers.stanford_cars import READER
from tasks.errors import DatasetError

CARS = ("AM General Hummer", "Acura RL", "Audi V8")


class TestStanfordCars(ReaderContract):
    """Three cars."""

    reader = READER
    classes = CARS
    holds_image_files = True

    def write(self, folder, images, labels):
        formats.write_cars(folder, images, labels, list(CARS))


def test_a_missing_devkit_is_named(tmp_path):
    """Without the names of the classes the data set is refused."""
    formats.write_cars(tmp_path / "data", formats.encoded(len(LABELS)), LABELS, list(CARS))
    (tmp_path / "data" / "devkit" / "cars_meta.mat").unlink()
    with pytest.raises(DatasetError, match=r"cars_meta\.mat is missing, which comes with the data set"):
        samples_in(tmp_path / "data")
