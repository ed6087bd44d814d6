"""SUN397: a list of paths from the root of the classes' directories, and a list of the classes in their order."""

import formats
import pytest
from reader_contract import LABELS, ReaderContract, samples_in

from tasks.datasets.readers.sun397 import READER
from tasks.errors import DatasetError


class TestSun397(ReaderContract):
    """The classes are those of `ClassName.txt`, in its order, and may be nested."""

    reader = READER
    labels = (2, 0, 1, 2, 0, 1, 1)
    classes = ("b/bar/indoor", "a/abbey", "a/arch")
    holds_image_files = True

    def write(self, folder, images, labels):
        formats.write_listed(
            folder, images, labels, self.classes, below="SUN397", listed="Testing_01.txt", line="/{directory}/{name}"
        )
        (folder / "ClassName.txt").write_text("".join(f"/{directory}\n" for directory in self.classes))


@pytest.mark.parametrize(
    ("names", "message"),
    [("/a/abbey\n/a/arch\n", "no class 'b/bar/indoor' among 2"), (None, "ClassName.txt is missing, which comes with")],
)
def test_classes_without_a_place_in_the_order_are_refused(tmp_path, names, message):
    """The message names the class, or the missing list of the classes."""
    TestSun397().write(tmp_path, formats.encoded(len(LABELS)), LABELS)
    (tmp_path / "ClassName.txt").unlink()
    if names:
        (tmp_path / "ClassName.txt").write_text(names)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)
