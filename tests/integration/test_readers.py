"""An image folder, Parquet and tar shards of the same 20,000 images give the same samples, and only those asked for."""

import os
from dataclasses import replace

import formats
import numpy as np
import pytest

from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear")
SAMPLES = 20_000
FORMATS = ("folder", "parquet", "tar")

pytestmark = pytest.mark.xdist_group("readers")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder with the same images in three formats; labels rise, as in the order of an image folder."""
    root = tmp_path_factory.mktemp("readers")
    few = formats.encoded(250, size=8)
    images = [few[i % 250] + b"%d" % i for i in range(SAMPLES)]  # bytes after the end of a PNG are ignored
    labels = np.sort(np.random.default_rng(0).integers(0, 100, SAMPLES))
    formats.write_folder(root / "folder", images, labels)
    formats.write_parquet(root / "parquet", images, labels, shards=4, group=1000)
    formats.write_tars(root / "tar", images, labels, shards=12)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Keep indices of shards out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def samples_of(places, name):
    return list_dataset(str(places / name), None, SETTINGS).samples


class Recording:
    """Images that record the numbers of those that are read."""

    def __init__(self, images):
        self.images, self.asked = images, []

    def read(self, indices):
        self.asked += indices
        return self.images.read(indices)


@pytest.mark.parametrize("name", ["parquet", "tar"])
def test_the_same_samples_in_the_same_order(places, name):
    """All labels are equal, and so is every byte of every image."""
    folder, other = samples_of(places, "folder"), samples_of(places, name)
    np.testing.assert_array_equal(folder.labels, other.labels)
    assert len(other) == SAMPLES
    for start in range(0, SAMPLES, 1000):
        index = range(start, start + 1000)
        assert folder.images.read(index) == other.images.read(index)


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_samples_asked_for_are_read(places, name):
    """Only every 97th image is read and decoded, and it equals the image folder's."""
    samples = samples_of(places, name)
    recording = Recording(samples.images)
    wanted = np.arange(0, SAMPLES, 97)
    decoder = Decoder(replace(samples, images=recording), SETTINGS)
    found = list(batches(decoder, samples.labels, [(0, SAMPLES)], 50, workers=0, order=lambda _span: wanted))
    assert recording.asked == wanted.tolist()
    folder = Decoder(samples_of(places, "folder"), SETTINGS)
    images = np.concatenate([batch.images.numpy() for batch in found])
    np.testing.assert_array_equal(images[::20], np.stack([folder[int(i)].numpy() for i in wanted[::20]]))
    assert np.concatenate([batch.labels for batch in found]).tolist() == samples.labels[wanted].tolist()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["parquet", "tar"])
def test_processes_decode_the_same(places, name, workers):
    """Worker processes decode a span across row groups and shards to the images of the image folder."""
    samples = samples_of(places, name)
    span = (4_000, 6_500)
    found = batches(Decoder(samples, SETTINGS), samples.labels, [span], 500, workers=workers)
    images = np.concatenate([batch.images.numpy() for batch in found])
    folder = Decoder(samples_of(places, "folder"), SETTINGS)
    np.testing.assert_array_equal(images[::50], np.stack([folder[i].numpy() for i in range(*span, 50)]))


@pytest.mark.parametrize("name", FORMATS)
def test_data_sets_on_s3_are_read_as_on_a_disk(places, name, s3):
    """A span of a data set in a bucket gives the images of the local image folder."""
    import s3fs

    filesystem = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], skip_instance_cache=True)
    bucket = f"{s3}/{name}".removeprefix("s3://")
    some = {"folder": ["class000", "class001"], "parquet": ["test-00000-of-00004.parquet"], "tar": ["0.tar", "1.tar"]}
    for path in some[name]:
        filesystem.put(str(places / name / path), f"{bucket}/{path}", recursive=name == "folder")
    chosen = f"s3://{bucket}/test-*.parquet" if name == "parquet" else f"s3://{bucket}"
    samples = list_dataset(chosen, None, SETTINGS).samples
    span = (0, 300)
    found = batches(Decoder(samples, SETTINGS), samples.labels, [span], 128, workers=2)
    images = np.concatenate([batch.images.numpy() for batch in found])
    folder = Decoder(samples_of(places, "folder"), SETTINGS)
    np.testing.assert_array_equal(images, np.stack(folder.__getitems__(range(*span))))
