"""DTD: a list of paths below the classes' directories."""

import formats
import pytest
from reader_contract import LABELS, ReaderContract, samples_in

from tasks.datasets.readers.dtd import READER
from tasks.errors import DatasetError

LIST = "dtd/labels/test1.txt"


class TestDtd(ReaderContract):
    """The samples are in the order of the list; an image that it does not name is left out."""

    reader = READER
    labels = (2, 0, 1, 2, 0, 1, 1)
    classes = ("banded", "blotchy", "braided")
    holds_image_files = True

    def write(self, folder, images, labels):
        formats.write_listed(
            folder, images, labels, self.classes, below="dtd/images", listed=LIST, line="{directory}/{name}"
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "names no images"), ("no/such_1.jpg", "image '.*such_1.jpg' is missing")],
)
def test_lists_of_nothing_or_of_other_images_are_refused(tmp_path, content, message):
    """The message names the list, or the first image."""
    TestDtd().write(tmp_path, formats.encoded(len(LABELS)), LABELS)
    (tmp_path / LIST).write_text(content)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)
