"""GTSRB: a table of names and classes, and images in a folder of their own."""

import formats
import pytest
from reader_contract import ReaderContract, samples_in

from tasks.datasets.readers.gtsrb import READER
from tasks.errors import DatasetError


class TestGtsrb(ReaderContract):
    """43 classes, whether they occur or not."""

    reader = READER
    labels = (42, 0, 7, 7, 1, 1, 2)
    classes = tuple(f"{i:05d}" for i in range(43))
    holds_image_files = True

    def images(self, seed=0):
        return formats.encoded(len(self.labels), seed, suffix="PPM")

    def write(self, folder, images, labels):
        formats.write_gtsrb(folder, images, labels)


def test_a_missing_image_is_named(tmp_path):
    """An image of the table that is not in the folder is an error, not a smaller data set."""
    formats.write_gtsrb(tmp_path, formats.encoded(2), [0, 1])
    (tmp_path / "GTSRB" / "Final_Test" / "Images" / "00001.ppm").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 images are missing, first GTSRB/Final_Test/Images/00001\.ppm"):
        samples_in(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("Filename;ClassId\n", r"GT-final_test\.csv: names no images"),
        ("Filename;Class\n00000.ppm;1\n", "damaged, wanted columns Filename and ClassId"),
        ("Filename;ClassId\n00000.ppm;43\n00001.ppm;0\n", "classes from 0 to 43, wanted 43 from 0"),
    ],
)
def test_tables_without_images_or_classes_are_refused(tmp_path, table, message):
    """The message says what was wanted."""
    formats.write_gtsrb(tmp_path, formats.encoded(2), [0, 1])
    (tmp_path / "GT-final_test.csv").write_text(table)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)


def test_the_test_images_are_those_below_final_test(tmp_path):
    """The same names in another directory, as in the training images, are not taken."""
    images = formats.encoded(2, suffix="PPM")
    formats.write_gtsrb(tmp_path, images, [0, 1])
    (tmp_path / "GTSRB" / "A").mkdir()
    for name in ("00000.ppm", "00001.ppm"):
        (tmp_path / "GTSRB" / "A" / name).write_bytes(b"another image")
    assert samples_in(tmp_path).images.read([0, 1]) == images
