"""WebDataset: labels in `.cls` or `.json`, shards in the order of their numbers, damaged shards refused."""

import io
import tarfile

import formats
import numpy as np
import pytest
from reader_contract import LABELS, NAMES, SETTINGS, ReaderContract, decoded, samples_in

from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.readers.webdataset import READER
from tasks.errors import DatasetError


class TestWebDataset(ReaderContract):
    """Eleven shards in the order of their numbers, labels in `.cls`, names in a file beside them."""

    reader = READER
    labels = LABELS * 2
    json_labels = False

    def write(self, folder, images, labels):
        formats.write_tars(folder, images, labels, shards=11, json_labels=self.json_labels, names=NAMES)


class TestWebDatasetWithJson(TestWebDataset):
    """Labels in `.json`."""

    json_labels = True


def add(tar, name, content=b"", **changes):
    """Add a member to a tar file."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in changes.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(content))


def test_labels_without_names_are_numbers(tmp_path):
    """The classes are numbers up to the largest label, and marked as unnamed: a head may have more."""
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS)
    samples = samples_in(tmp_path)
    assert (samples.classes, samples.named) == (("0", "1", "2"), False)


def test_names_of_classes_may_lie_above_the_shards(tmp_path):
    """clip_benchmark keeps them in the parent of the split's folder."""
    formats.write_tars(tmp_path / "test", formats.encoded(len(LABELS)), LABELS)
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES))
    assert samples_in(tmp_path / "test").classes == NAMES


def test_labels_beyond_the_names_are_refused(tmp_path):
    """The message gives the label and the number of names."""
    formats.write_tars(tmp_path, formats.encoded(2), [0, 5], shards=1, names=NAMES)
    with pytest.raises(DatasetError, match="label 5, but only 3 names of classes"):
        samples_in(tmp_path)


def test_numbers_are_the_classes_of_a_label_space(tmp_path):
    """ImageNet-R's shards count from 0 to 199, and larger numbers are refused."""
    images = formats.encoded(7)
    formats.write_tars(tmp_path / "r", images, [0, 1, 2, 3, 4, 5, 199])
    samples = samples_in(tmp_path / "r", "imagenet-r")
    assert (samples.labels.tolist(), len(samples.classes)) == ([0, 1, 2, 3, 4, 5, 199], 200)
    formats.write_tars(tmp_path / "more", images, [0, 1, 2, 3, 4, 5, 200])
    with pytest.raises(DatasetError, match="up to 200, imagenet-r wants numbers below 200"):
        samples_in(tmp_path / "more", "imagenet-r")


def test_other_files_are_refused(tmp_path):
    """The message names the file."""
    (tmp_path / "x.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(DatasetError, match=r"x\.tar: not a plain tar file"):
        samples_in(tmp_path)


def test_a_second_image_of_a_sample_is_refused(tmp_path):
    """The message names the key and the second image."""
    formats.write_tars(tmp_path, formats.encoded(1), [0], shards=1)
    with tarfile.open(tmp_path / "0.tar", "a") as tar:
        add(tar, "s000000.jpg")
    with pytest.raises(DatasetError, match=r"sample s000000 has two images, the second is s000000\.jpg"):
        samples_in(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.png": b"x", "a.cls": b"20000000"}, "label 20000000, wanted numbers of classes below 1,000,000"),
        ({"a.png": b"x", "a.cls": b"1" * 30}, "a.cls holds no label"),
        ({"a.png": b"x", "a.json": b'{"label": 2.7}'}, "a.json holds no label"),
        ({"a.png": b"x", "a.json": b'{"label": true}'}, "a.json holds no label"),
        ({"a.png": b"x", "a.cls": b"1", "a.json": b'{"label": 5}'}, "sample a has two labels, 1 and 5"),
    ],
)
def test_a_sample_has_one_label_that_is_an_integer(tmp_path, files, message):
    """Labels are never rounded, and a second one does not replace the first."""
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, content in files.items():
            add(tar, name, content)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)


def test_a_hard_link_has_the_bytes_of_the_file_it_points_to(tmp_path):
    """An archiver writes a file once and links to it when it comes again."""
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS, shards=1)
    with tarfile.open(tmp_path / "0.tar", "a") as tar:
        add(tar, "s9.png", type=tarfile.LNKTYPE, linkname="s000000.png")
        add(tar, "s9.cls", b"2")
    samples = samples_in(tmp_path)
    assert samples.labels.tolist() == [*LABELS, 2]
    np.testing.assert_array_equal(decoded(samples)[-1], decoded(samples)[0])


def test_a_damaged_shard_is_not_a_shorter_one(tmp_path):
    """A wrong checksum in the header of the fourth sample is an error that counts the images before it."""
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS, shards=1)
    content = bytearray((tmp_path / "0.tar").read_bytes())
    content[content.index(b"s000003.cls") + 150] ^= 1  # in the header's checksum
    (tmp_path / "0.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=r"0\.tar: damaged or cut short after 3 images"):
        samples_in(tmp_path)


def test_a_broken_image_is_named_by_file_and_key(tmp_path):
    """The key is that of the sample in its shard."""
    images = formats.encoded(len(LABELS))
    formats.write_tars(tmp_path, [*images[:4], b"no image", *images[5:]], LABELS, shards=2)
    samples = samples_in(tmp_path)
    with pytest.raises(DatasetError, match=r"1\.tar, sample s000004: broken image"):
        list(batches(Decoder(samples, SETTINGS), samples.labels, [(0, 7)], batch_size=3, workers=0))


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(tmp_path, kind):
    """GNU's and POSIX's headers for names beyond 100 characters count as headers, not as members."""
    images = formats.encoded(2)
    with tarfile.open(tmp_path / "x.tar", "w", format=kind) as tar:
        for i, image in enumerate(images):
            add(tar, f"{'folder/' * 60}{i}é.png", image)
            add(tar, f"{'folder/' * 60}{i}é.cls", b"%d" % i)
    samples = samples_in(tmp_path)
    assert samples.labels.tolist() == [0, 1]
    assert samples.images.read([0, 1]) == images
