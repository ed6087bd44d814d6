"""RESISC45: a list of names that begin with their class."""

import formats
import pytest
from reader_contract import LABELS, ReaderContract, samples_in

from tasks.datasets.readers.resisc45 import READER
from tasks.errors import DatasetError

LIST = "resisc45-test.txt"


class TestResisc45(ReaderContract):
    """The samples are in the order of the list; an image that it does not name is left out."""

    reader = READER
    labels = (2, 0, 1, 2, 0, 1, 1)
    classes = ("airplane", "airport", "baseball_diamond")
    holds_image_files = True

    def write(self, folder, images, labels):
        formats.write_listed(folder, images, labels, self.classes, below="NWPU-RESISC45", listed=LIST, line="{name}")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "names no images"), ("no/such_1.jpg", "image '.*such_1.jpg' is missing")],
)
def test_lists_of_nothing_or_of_other_images_are_refused(tmp_path, content, message):
    """The message names the list, or the first image."""
    TestResisc45().write(tmp_path, formats.encoded(len(LABELS)), LABELS)
    (tmp_path / LIST).write_text(content)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)
