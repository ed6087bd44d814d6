"""Pictures, tables and arrays that cost much are refused before they are unpacked; those that only look so are read."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
from pathlib import Path

import formats
import hostile_pictures
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.datasets.decoding import Decoder
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.recognition import samples_of
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset, opened_folder

MIB = 1 << 20
SETTINGS = Preprocessing(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Indices of shards are kept here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def listed(folder):
    return samples_of(opened_folder(str(folder)))


class Alone:
    """One picture."""

    def __init__(self, picture):
        self.picture = picture

    def read(self, indices):
        return [self.picture for _ in indices]

    def name(self, index):
        return f"picture {index}"


def decoded(picture, **changes):
    samples = Samples(Alone(picture), np.arange(1), np.zeros(1, np.int32), ("x",))
    return Decoder(samples, Preprocessing(**{**vars(SETTINGS), **changes}))[0]


@pytest.mark.parametrize("case", hostile_pictures.PICTURES)
def test_pictures_that_cost_much_are_not_decoded(case):
    """The message says what they come to and what is accepted; less than 64 MiB of Python's memory is taken."""
    made, message = hostile_pictures.PICTURES[case]
    picture = made()
    tracemalloc.start()
    found = decoded(picture)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(found, DatasetError)
    assert message in str(found), found
    assert str(found).startswith("picture 0: broken image (")
    assert peak < 64 * MIB


def test_pictures_as_large_as_is_accepted_are_decoded():
    """36 megapixels; a panorama of 1 to 1,000; one that is narrow where both sides are resized alike."""
    assert decoded(hostile_pictures.png(6000, 6000)).shape == (3, 16, 16)
    assert decoded(hostile_pictures.png(10_000, 10)).shape == (3, 16, 16)
    assert decoded(hostile_pictures.png(1, 1_000_000), resize_mode="squash").shape == (3, 16, 16)
    assert isinstance(decoded(np.zeros((1, 1_000_000), np.uint8)), DatasetError)


def test_a_file_of_a_terabyte_is_not_read(tmp_path):
    """A hole of a file beside a good picture."""
    formats.write_folder(tmp_path, formats.encoded(2), [0, 0])
    with (tmp_path / "class000" / "000001.png").open("r+b") as file:
        file.truncate(2**40)
    good, bad = Decoder(listed(tmp_path), SETTINGS).__getitems__([0, 1])
    assert good.shape == (3, 16, 16)
    assert "class000/000001.png: broken image (1,099,511,627,776 bytes, wanted at most 268,435,456)" in str(bad)


def picture_of(folder, table, **options):
    """Write a Parquet file and return what becomes of its first picture."""
    pq.write_table(table, folder / "x.parquet", **options)
    samples = listed(folder)
    before = pa.total_allocated_bytes()
    found = Decoder(samples, SETTINGS)[0]
    return found, pa.total_allocated_bytes() - before


@pytest.mark.parametrize("struct_", [True, False])
def test_a_cell_that_unpacks_to_much_is_not_read(tmp_path, struct_):
    """100 MB of zeros in a page of some kilobytes."""
    cell = bytes(100 * MIB)
    table = pa.table({"image": [{"bytes": cell, "path": "x"} if struct_ else cell]})
    found, _ = picture_of(tmp_path, table, compression="zstd", use_dictionary=False)
    assert "x.parquet, row 0: broken image (row group 0: damaged pages in column image" in str(found)
    assert "bytes unpacked from" in str(found)


def test_one_picture_in_all_rows_is_held_once(tmp_path):
    """A dictionary of one value: 100 rows of a quarter of a megabyte take no 25 megabytes."""
    picture = formats.encoded(1, size=300)[0]
    table = pa.table({"image": pa.array([{"bytes": picture, "path": "x"}] * 100)})
    found, held = picture_of(tmp_path, table, compression="zstd")
    assert found.shape == (3, 16, 16)
    assert held < 3 * len(picture) + MIB


def test_values_that_grow_from_one_to_the_next_are_not_read(tmp_path):
    """An encoding in which each row repeats the one before and adds a byte."""
    table = pa.table({"image": [b"x" * i for i in range(3)]})
    options = {"use_dictionary": False, "column_encoding": {"image": "DELTA_BYTE_ARRAY"}}
    found, _ = picture_of(tmp_path, table, **options)
    assert "an encoding that is not read, number 7" in str(found)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_honest_parquet_of_every_kind_is_read(tmp_path, version, compression):
    """Both kinds of pages, every packing, with and without dictionaries, nulls among the labels' columns beside."""
    pictures = formats.encoded(20, size=40)
    table = pa.table({"image": pictures, "label": list(range(20)), "note": [None, "x"] * 10})
    options = {"compression": compression, "data_page_version": version, "row_group_size": 7, "data_page_size": 100}
    for dictionary in (True, False):
        pq.write_table(table, tmp_path / "x.parquet", use_dictionary=dictionary, **options)
        samples = listed(tmp_path)
        assert samples.labels.tolist() == list(range(20))
        assert samples.pictures.read(range(20)) == pictures


def test_a_deep_description_gives_no_names(tmp_path):
    """JSON beyond what Python reads is as good as none."""
    table = pa.table({"image": [b"x"], "label": [0]}).replace_schema_metadata({"huggingface": "[" * 100_000})
    pq.write_table(table, tmp_path / "x.parquet")
    assert not listed(tmp_path).named


def test_an_index_with_other_arrays_than_it_should_have_is_made_anew(tmp_path, monkeypatch):
    """Text where numbers are wanted, or an array that is missing."""
    from tasks.datasets.readers import shard_index

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    formats.write_tars(tmp_path / "data", formats.encoded(2), [0, 1], shards=1)
    for damage in ({"labels": np.array(["a", "b"])}, {"keys": None}):
        shard_index._held.clear()
        assert listed(tmp_path / "data").labels.tolist() == [0, 1]
        (file,) = (tmp_path / "cache").rglob("*.npz")
        kept = {name: damage.get(name, array) for name, array in np.load(file).items()}
        np.savez(file, **{name: array for name, array in kept.items() if array is not None})
    shard_index._held.clear()
    assert listed(tmp_path / "data").labels.tolist() == [0, 1]


def test_tar_names_of_any_usual_length_are_read(tmp_path):
    """Long names in GNU's headers and in POSIX's; attributes of all members are not kept for each."""
    pictures = formats.encoded(2)
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = tmp_path / str(kind) / "x.tar"
        path.parent.mkdir()
        with tarfile.open(path, "w", format=kind) as tar:
            for i, picture in enumerate(pictures):
                for suffix, content in (("png", picture), ("cls", b"%d" % i)):
                    member = tarfile.TarInfo(f"{'folder/' * 60}{i}é.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        samples = listed(path.parent)
        assert samples.labels.tolist() == [0, 1]
        assert samples.pictures.read([0, 1]) == pictures


def test_folders_that_are_reached_twice_are_read_twice(tmp_path):
    """Links side by side are no links in a circle."""
    formats.write_folder(tmp_path / "real", formats.encoded(3), [0, 0, 0])
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).symlink_to(tmp_path / "real" / "class000")
    assert listed(tmp_path / "data").classes == ("a", "b")
    assert len(listed(tmp_path / "data")) == 6


def test_folders_a_thousand_deep_are_gone_into(tmp_path):
    """As deep as a path may be long; deeper than Python calls functions."""
    folders = [str(tmp_path)]
    for _ in range(1500):
        folders.append(f"{folders[-1]}/a")
        os.mkdir(folders[-1])
    picture = Path(folders[-1]) / "x.png"
    picture.write_bytes(formats.encoded(1)[0])
    assert len(listed(tmp_path)) == 1
    picture.unlink()
    for folder in folders[:0:-1]:  # deeper than pytest tidies up
        os.rmdir(folder)


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 28, 2**16, 2**31, 2**32 - 1]), min_size=0, max_size=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_idx_files_are_samples_or_one_error(tmp_path_factory, data):
    """Headers that lie, bytes that are cut off, changed or added, gzipped or not: nothing else is ever raised."""
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
        samples = list_dataset(str(folder), None, SETTINGS).samples
    except DatasetError as error:
        message = str(error)
    else:
        message = ""
        assert len(samples.pictures.read(range(len(samples)))) == len(samples.labels) > 0
    assert message.isprintable()
    assert len(message) < 1000


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("layout", ["parquet", "tar", "svhn"])
def test_damaged_files_are_samples_or_one_error(tmp_path_factory, layout, data):
    """Some bytes changed, or the end cut off: every picture is read, or named as broken; nothing else is raised."""
    folder = tmp_path_factory.mktemp(layout)
    pictures = formats.encoded(3, size=4)
    if layout == "parquet":
        formats.write_parquet(folder, pictures, [0, 1, 2], shards=1, names=["a", "b", "c"])
    elif layout == "tar":
        formats.write_tars(folder, pictures, [0, 1, 2], shards=1)
    else:
        formats.write_svhn(folder / "x", np.zeros((3, 32, 32, 3), np.uint8), [1, 2, 3])
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])
    try:
        samples = listed(folder)
    except DatasetError as error:
        message = str(error)
    else:
        message = ""
        found = Decoder(samples, SETTINGS).__getitems__(range(len(samples)))
        assert all(isinstance(one, DatasetError) or one.shape == (3, 16, 16) for one in found)
    assert message.isprintable()


def test_mapping_files_that_are_deep_or_long_are_refused(tmp_path):
    """ObjectNet's JSON files lie beside its pictures."""
    from tasks.datasets.label_spaces import OBJECTNET_FILES

    formats.write_folder(tmp_path, formats.encoded(1), [0])
    (tmp_path / "mappings").mkdir()
    for content, message in (("[" * 100_000, "its mapping files do not fit together"), (" " * 5 * MIB, "more than 4,")):
        for name in OBJECTNET_FILES:
            (tmp_path / "mappings" / name).write_text(content)
        with pytest.raises(DatasetError, match=message):
            list_dataset(str(tmp_path), None, SETTINGS, "objectnet")
