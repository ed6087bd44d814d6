"""MNIST: idx files, gzipped or not, anywhere below the folder; headers that lie are refused."""

import gzip
import struct

import formats
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_contract import ReaderContract, samples_in

from tasks.datasets.readers.mnist import READER
from tasks.errors import DatasetError


class TestMnist(ReaderContract):
    """Two idx files."""

    reader = READER
    labels = (3, 1, 4, 1, 9)
    classes = tuple("0123456789")
    packed = False

    def images(self, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (len(self.labels), 28, 28), dtype=np.uint8)

    def write(self, folder, images, labels):
        formats.write_mnist(folder, images, labels, packed=self.packed)


class TestGzippedMnist(TestMnist):
    """Two gzipped idx files."""

    packed = True


def test_two_data_sets_below_one_folder_are_refused(tmp_path):
    """The message names the folders of both."""
    for name in ("x", "y"):
        formats.write_mnist(tmp_path / name, np.zeros((2, 28, 28), np.uint8), [1, 2])
    with pytest.raises(DatasetError, match="several data sets, in x/MNIST/raw, y/MNIST/raw; name one"):
        samples_in(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"t10k-images-idx3-ubyte": b"\0\0\x08\x03", "t10k-labels-idx1-ubyte": b"x"}, "not an idx file of bytes"),
        ({"t10k-images-idx3-ubyte": b""}, "t10k-labels-idx1-ubyte is missing, which comes with t10k-images-idx3-ubyte"),
    ],
)
def test_damaged_or_missing_files_are_named(tmp_path, files, message):
    """The message says which file is damaged or missing."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        samples_in(tmp_path)


def test_as_many_labels_as_images_are_wanted(tmp_path):
    """The message gives both numbers."""
    formats.write_mnist(tmp_path, np.zeros((2, 28, 28), np.uint8), [1, 2, 3])
    with pytest.raises(DatasetError, match="t10k-images-idx3-ubyte: 2 images, 3 labels"):
        samples_in(tmp_path)


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 28, 2**16, 2**31, 2**32 - 1]), min_size=0, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_idx_files_are_samples_or_one_error(tmp_path_factory, data):
    """Headers may lie, and bytes may be cut off, changed or added: nothing but `DatasetError` is ever raised."""
    folder = tmp_path_factory.mktemp("idx")
    for name, dimensions in (("t10k-images-idx3-ubyte", 3), ("t10k-labels-idx1-ubyte", 1)):
        shape = data.draw(st.one_of(st.just([2, 3, 4][:dimensions]), SHAPES))
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(2 * 3 * 4)
        content = content[: 4 + 4 * len(shape) + (24 if dimensions == 3 else 2)]
        is_packed = data.draw(st.booleans())
        content = bytearray(gzip.compress(content, mtime=0) if is_packed else content)
        for _ in range(data.draw(st.integers(0, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(0, len(content) * 2))] + data.draw(st.binary(max_size=8))
        (folder / (f"{name}.gz" if is_packed else name)).write_bytes(content)
    try:
        samples = samples_in(folder)
    except DatasetError as error:
        message = str(error)
    else:
        message = ""
        assert len(samples.images.read(range(len(samples)))) == len(samples.labels) > 0
    assert message.isprintable()
    assert len(message) < 1000
