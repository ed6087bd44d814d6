"""Parquet: every honest kind of file is read; splits, missing shards and pages that cost much are refused."""

import formats
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_contract import LABELS, NAMES, SETTINGS, ReaderContract, samples_in

from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.readers.parquet import READER
from tasks.errors import DatasetError

MIB = 1 << 20


class TestParquet(ReaderContract):
    """Images as structs, row groups of two, names of the classes in the schema's metadata."""

    reader = READER
    struct = True

    def write(self, folder, images, labels):
        formats.write_parquet(folder, images, labels, names=list(NAMES), group=2, struct=self.struct)


class TestParquetOfBytes(TestParquet):
    """Images as bytes."""

    struct = False


def test_one_file_or_a_pattern_is_a_data_set(tmp_path):
    """Splits may lie beside each other, but are refused together."""
    images = formats.encoded(len(LABELS))
    formats.write_parquet(tmp_path, images, LABELS, split="test", shards=2)
    formats.write_parquet(tmp_path, images[:2], LABELS[:2], split="train", shards=1)
    assert len(samples_in(f"{tmp_path}/test-*.parquet")) == len(LABELS)
    assert len(samples_in(f"{tmp_path}/train-00000-of-00001.parquet")) == 2
    with pytest.raises(DatasetError, match=r"splits test, train; name one, such as its folder, or train-\*\.parquet"):
        samples_in(tmp_path)


def test_a_data_set_without_labels_has_no_classes(tmp_path):
    """Labels of −1 stand for samples without labels."""
    formats.write_parquet(tmp_path, formats.encoded(len(LABELS)), [-1] * len(LABELS))
    samples = samples_in(tmp_path)
    assert (samples.classes, set(samples.labels)) == ((), {-1})


def test_labels_on_some_samples_are_refused(tmp_path):
    """The message counts the samples without labels."""
    formats.write_parquet(tmp_path, formats.encoded(2), [-1, 0], shards=1)
    with pytest.raises(DatasetError, match="1 of 2 samples have no label; wanted all or none"):
        samples_in(tmp_path)


def test_names_of_classes_go_before_numbers(tmp_path):
    """Synsets in any order are ImageNet's classes; other names are accepted only if there are as many."""
    images = formats.encoded(len(LABELS))
    synsets = ["n01443537", "n01440764", "n01484850"]  # classes 1, 0, 2
    formats.write_parquet(tmp_path / "a", images, LABELS, names=synsets)
    assert samples_in(tmp_path / "a", "imagenet-1k").labels.tolist() == [1, 1, 0, 0, 0, 2, 2]
    formats.write_parquet(tmp_path / "b", images, LABELS, names=list(NAMES))
    with pytest.raises(DatasetError, match="3 names of classes, none of imagenet-1k's, which has 1000"):
        samples_in(tmp_path / "b", "imagenet-1k")


def test_other_files_are_refused(tmp_path):
    """The message names the file, and the columns that it has."""
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match=r"x\.parquet: not a Parquet file"):
        samples_in(tmp_path)
    pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(DatasetError, match=r"no column of images; wanted image, as bytes .* got text: string"):
        samples_in(tmp_path)


def test_shards_of_different_columns_are_refused(tmp_path):
    """The message names the first shard that differs."""
    image = formats.encoded(1)
    for i, column in enumerate(("image", "img")):
        pq.write_table(pa.table({column: image, "label": [0]}), tmp_path / f"{i}.parquet")
    with pytest.raises(DatasetError, match=r"1\.parquet: columns or names of classes differ from those of 0\.parquet"):
        samples_in(tmp_path)


def test_labels_in_a_column_of_another_name_are_refused(tmp_path):
    """A data set with labels is never taken for one without."""
    features = '{"info": {"features": {"fine_label": {"_type": "ClassLabel", "names": ["a"]}}}}'
    table = pa.table({"image": formats.encoded(1), "fine_label": [0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": features}), tmp_path / "x.parquet")
    with pytest.raises(DatasetError, match="labels in fine_label, wanted a column named label"):
        samples_in(tmp_path)


def test_a_broken_image_is_named_by_file_and_row(tmp_path):
    """Rows are counted in the file, not in the data set."""
    images = formats.encoded(len(LABELS))
    formats.write_parquet(tmp_path, [*images[:4], b"no image", *images[5:]], LABELS, shards=2)
    samples = samples_in(tmp_path)
    with pytest.raises(DatasetError, match=r"test-00001-of-00002\.parquet, row 1: broken image"):
        list(batches(Decoder(samples, SETTINGS), samples.labels, [(0, 7)], batch_size=3, workers=0))


def first_image(folder, table, **options):
    """Write a Parquet file; return its first image or error, and the bytes that pyarrow still holds."""
    pq.write_table(table, folder / "x.parquet", **options)
    samples = samples_in(folder)
    before = pa.total_allocated_bytes()
    found = Decoder(samples, SETTINGS)[0]
    return found, pa.total_allocated_bytes() - before


@pytest.mark.parametrize("in_struct", [True, False])
def test_a_cell_that_unpacks_to_much_is_not_read(tmp_path, in_struct):
    """100 MiB of zeros in a page of some kilobytes are refused by the header of the page."""
    cell = bytes(100 * MIB)
    table = pa.table({"image": [{"bytes": cell, "path": "x"} if in_struct else cell]})
    found, _ = first_image(tmp_path, table, compression="zstd", use_dictionary=False)
    assert "x.parquet, row 0: broken image (row group 0: damaged pages in column image" in str(found)
    assert "bytes unpacked from" in str(found)


def test_one_image_in_all_rows_is_held_once(tmp_path):
    """A dictionary of one image for 100 rows is not expanded."""
    image = formats.encoded(1, size=300)[0]
    table = pa.table({"image": pa.array([{"bytes": image, "path": "x"}] * 100)})
    found, held = first_image(tmp_path, table, compression="zstd")
    assert found.shape == (3, 16, 16)
    assert held < 3 * len(image) + MIB


def test_values_that_contain_the_one_before_are_not_read(tmp_path):
    """An encoding in which each row repeats the previous one and adds a byte is refused by its number."""
    table = pa.table({"image": [b"x" * i for i in range(3)]})
    options = {"use_dictionary": False, "column_encoding": {"image": "DELTA_BYTE_ARRAY"}}
    found, _ = first_image(tmp_path, table, **options)
    assert "an encoding that is not read, number 7" in str(found)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_honest_files_of_every_kind_are_read(tmp_path, version, compression):
    """Both versions of pages, every compression, dictionaries or none, and a column of text with nulls beside."""
    images = formats.encoded(20, size=40)
    table = pa.table({"image": images, "label": list(range(20)), "note": [None, "x"] * 10})
    options = {"compression": compression, "data_page_version": version, "row_group_size": 7, "data_page_size": 100}
    for dictionary in (True, False):
        pq.write_table(table, tmp_path / "x.parquet", use_dictionary=dictionary, **options)
        samples = samples_in(tmp_path)
        assert samples.labels.tolist() == list(range(20))
        assert samples.images.read(range(20)) == images


def test_metadata_nested_too_deeply_gives_no_names(tmp_path):
    """JSON beyond Python's recursion limit is ignored."""
    table = pa.table({"image": [b"x"], "label": [0]}).replace_schema_metadata({"huggingface": "[" * 100_000})
    pq.write_table(table, tmp_path / "x.parquet")
    assert not samples_in(tmp_path).named


def test_file_names_are_sorted_by_their_numbers(tmp_path):
    """The samples of `2.parquet` come before those of `10.parquet`."""
    images = formats.encoded(2)
    for name, image, label in zip((2, 10), images, (0, 1), strict=True):
        pq.write_table(pa.table({"image": [image], "label": np.array([label])}), tmp_path / f"{name}.parquet")
    assert samples_in(tmp_path).images.read([0, 1]) == images
