"""Image folder, Parquet and tar shards of the same 20,000 pictures: the same samples, and only those asked for."""

import os

import formats
import numpy as np
import pytest

from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")
SAMPLES = 20_000
LAYOUTS = ("folder", "parquet", "tar")

pytestmark = pytest.mark.xdist_group("readers")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same pictures three times; labels rise, as in a folder's order."""
    root = tmp_path_factory.mktemp("readers")
    few = formats.encoded(250, size=8)
    pictures = [few[i % 250] + b"%d" % i for i in range(SAMPLES)]  # what follows a PNG's end is passed over
    labels = np.sort(np.random.default_rng(0).integers(0, 100, SAMPLES))
    formats.write_folder(root / "folder", pictures, labels)
    formats.write_parquet(root / "parquet", pictures, labels, shards=4, group=1000)
    formats.write_tars(root / "tar", pictures, labels, shards=12)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Indices of shards are kept here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def listed(places, layout):
    return list_dataset(str(places / layout), None, SETTINGS).samples


@pytest.mark.parametrize("layout", ["parquet", "tar"])
def test_the_same_samples_in_the_same_order(places, layout):
    """Every byte of every picture, and every label."""
    folder, other = listed(places, "folder"), listed(places, layout)
    np.testing.assert_array_equal(folder.labels, other.labels)
    assert len(other) == SAMPLES
    for start in range(0, SAMPLES, 1000):
        index = range(start, start + 1000)
        assert folder.pictures.read(index) == other.pictures.read(index)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_samples_asked_for_are_decoded(places, layout, monkeypatch):
    """Every 97th: 207 of 20,000, the same as the folder's; of a tar not a byte more than theirs is kept."""
    rows, decode = [], Decoder._decode
    monkeypatch.setattr(Decoder, "_decode", lambda self, row, p: rows.append(row) or decode(self, row, p))
    samples = listed(places, layout)
    wanted = np.arange(0, SAMPLES, 97)
    found = list(
        batches(Decoder(samples, SETTINGS), samples.labels, [(0, SAMPLES)], 50, workers=0, order=lambda _span: wanted)
    )
    assert rows == wanted.tolist()
    folder = Decoder(listed(places, "folder"), SETTINGS)
    images = np.concatenate([batch.images.numpy() for batch in found])
    np.testing.assert_array_equal(images[::20], np.stack([folder[int(i)].numpy() for i in wanted[::20]]))
    assert np.concatenate([batch.labels for batch in found]).tolist() == samples.labels[wanted].tolist()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("layout", ["parquet", "tar"])
def test_processes_decode_the_same(places, layout, workers):
    """More samples than threads are used for, across row groups and shards."""
    samples = listed(places, layout)
    span = (4_000, 6_500)
    found = batches(Decoder(samples, SETTINGS), samples.labels, [span], 500, workers=workers)
    images = np.concatenate([batch.images.numpy() for batch in found])
    folder = Decoder(listed(places, "folder"), SETTINGS)
    np.testing.assert_array_equal(images[::50], np.stack([folder[i].numpy() for i in range(*span, 50)]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_from_s3(places, layout, s3):
    """Read as from a disk; neighbours in a tar with one request."""
    import s3fs

    filesystem = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], skip_instance_cache=True)
    bucket = f"{s3}/{layout}".removeprefix("s3://")
    names = {"folder": ["class000", "class001"], "parquet": ["test-00000-of-00004.parquet"], "tar": ["0.tar", "1.tar"]}
    for name in names[layout]:
        filesystem.put(str(places / layout / name), f"{bucket}/{name}", recursive=layout == "folder")
    chosen = f"s3://{bucket}/test-*.parquet" if layout == "parquet" else f"s3://{bucket}"
    samples = list_dataset(chosen, None, SETTINGS).samples
    span = (0, 300)
    found = batches(Decoder(samples, SETTINGS), samples.labels, [span], 128, workers=2)
    images = np.concatenate([batch.images.numpy() for batch in found])
    folder = Decoder(listed(places, "folder"), SETTINGS)
    np.testing.assert_array_equal(images, np.stack(folder.__getitems__(range(*span))))
