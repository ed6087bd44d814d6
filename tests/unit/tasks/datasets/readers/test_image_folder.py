"""Image folders: classes and samples in sorted order, hidden files ignored, links followed, ambiguity refused."""

import os
from pathlib import Path

import formats
import numpy as np
import pytest
from reader_contract import LABELS, SETTINGS, ReaderContract, decoded, decoded_alone, samples_in

from storage.file_table import FileTable
from storage.files import FileEntry
from tasks.datasets.decoding import Decoder
from tasks.datasets.files.folder import Folder
from tasks.datasets.readers.image_folder import READER
from tasks.datasets.readers.registry import read_samples
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset


class TestImageFolder(ReaderContract):
    """One directory per class."""

    reader = READER
    classes = ("class000", "class001", "class002")

    def write(self, folder, images, labels):
        by_class = sorted(zip(labels, images, strict=True), key=lambda pair: pair[0])
        formats.write_folder(folder, [image for _, image in by_class], [label for label, _ in by_class])


def folder_of(*paths):
    return Folder("here", None, "here", FileTable.of(FileEntry(path, 1, "x") for path in paths))


def test_classes_are_numbered_in_sorted_order_and_samples_in_path_order():
    """The first directory is the class, however deep the file lies; other files are ignored."""
    samples = read_samples(folder_of("b/1.png", "a/z.JPG", "b/0.jpeg", "a/deep/2.png", "b/notes.txt", "list.csv"))
    assert samples.images.keys(samples.rows) == ["a/deep/2.png", "a/z.JPG", "b/0.jpeg", "b/1.png"]
    assert samples.classes == ("a", "b")
    np.testing.assert_array_equal(samples.labels, [0, 0, 1, 1])


def test_images_directly_inside_have_no_labels():
    """A folder of images alone is a data set without labels."""
    samples = read_samples(folder_of("2.png", "1.png"))
    assert (samples.classes, samples.labels.tolist()) == ((), [-1, -1])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "here: no images"),
        (["a/readme.txt"], "here: no images"),
        (["a/1.png", "2.png"], r"1 images outside .* 2\.png"),
    ],
)
def test_folders_without_a_data_set_are_refused(paths, message):
    """An empty folder is an error, never an accuracy of zero; so are images both inside and outside of classes."""
    with pytest.raises(DatasetError, match=message):
        read_samples(folder_of(*paths))


def test_names_with_brackets_are_read_and_hidden_files_ignored(tmp_path):
    """Names are never patterns, and files that an editor or a desktop left are no images."""
    images = formats.encoded(4)
    for label, name in enumerate(("a[1]", "b*")):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}[1]?.png").write_bytes(images[2 * label + i])
    for name in (".ipynb_checkpoints/x.png", "a[1]/._0.png", "__MACOSX/a/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    samples = samples_in(tmp_path)
    assert (samples.classes, samples.labels.tolist()) == (("a[1]", "b*"), [0, 0, 1, 1])
    np.testing.assert_array_equal(decoded(samples), decoded_alone(images))


def test_links_are_followed(tmp_path):
    """Linked directories are read, an image behind a link changes the digest, and a loop of links ends."""
    formats.write_folder(tmp_path / "real", formats.encoded(len(LABELS)), LABELS)
    folder = tmp_path / "linked"
    folder.mkdir()
    for name in ("class000", "class001", "class002"):
        (folder / name).symlink_to(tmp_path / "real" / name)
    (folder / "class000" / "loop").symlink_to(folder)
    assert len(samples_in(folder)) == len(LABELS)
    before = list_dataset(str(folder), None, SETTINGS).digest
    image = tmp_path / "real" / "class001" / "000002.png"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    assert list_dataset(str(folder), None, SETTINGS).digest != before


def test_two_links_to_one_folder_are_two_classes(tmp_path):
    """Links side by side are not taken for a loop."""
    formats.write_folder(tmp_path / "real", formats.encoded(3), [0, 0, 0])
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).symlink_to(tmp_path / "real" / "class000")
    assert samples_in(tmp_path / "data").classes == ("a", "b")
    assert len(samples_in(tmp_path / "data")) == 6


def test_folders_nested_a_thousand_deep_are_read(tmp_path):
    """A path may be as long as the file system allows, deeper than Python's recursion limit."""
    folders = [str(tmp_path)]
    for _ in range(1500):
        folders.append(f"{folders[-1]}/a")
        os.mkdir(folders[-1])
    image = Path(folders[-1]) / "x.png"
    image.write_bytes(formats.encoded(1)[0])
    assert len(samples_in(tmp_path)) == 1
    image.unlink()
    for folder in folders[:0:-1]:  # pytest cannot remove folders so deep
        os.rmdir(folder)


def test_a_file_of_a_terabyte_is_not_read(tmp_path):
    """An image's file that is too large is named as broken, and the image beside it is decoded."""
    formats.write_folder(tmp_path, formats.encoded(2), [0, 0])
    with (tmp_path / "class000" / "000001.png").open("r+b") as file:
        file.truncate(2**40)
    good, bad = Decoder(samples_in(tmp_path), SETTINGS).__getitems__([0, 1])
    assert good.shape == (3, 16, 16)
    assert "class000/000001.png: broken image (1,099,511,627,776 bytes, wanted at most 268,435,456)" in str(bad)
