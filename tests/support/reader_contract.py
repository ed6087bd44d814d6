"""The contract of data-set readers; the test file of a format subclasses it and writes an example of the format."""

import io
import pickle

import formats
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.datasets.decoding import Decoder
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.image_folder import READER as IMAGE_FOLDER
from tasks.datasets.readers.registry import READERS, read_samples
from tasks.datasets.transform import cropping
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset, open_folder

SETTINGS = Preprocessing(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
LABELS = (0, 0, 1, 1, 1, 2, 2)
NAMES = ("ant", "bee", "cat")


def samples_in(folder, space=None):
    """Return the samples of a data set, by way of the registry."""
    return list_dataset(str(folder), None, SETTINGS, space).samples


def decoded(samples):
    """Return all images of a data set, decoded: (n, 3, 16, 16)."""
    return np.stack([image.numpy() for image in Decoder(samples, SETTINGS).__getitems__(range(len(samples)))])


def decoded_alone(images):
    """Return images, encoded or arrays, decoded without any code of the readers: (n, 3, 16, 16)."""
    transform = cropping(SETTINGS)
    opened = [Image.open(io.BytesIO(i)) if isinstance(i, bytes) else Image.fromarray(i) for i in images]
    return np.stack([transform(image).numpy() for image in opened])


class ReaderContract:
    """The promises of every reader.

    A subclass has `reader`, the format's `READER`, and `write(folder, images, labels)`, which writes an example of the
    format into a folder that does not exist yet. It overrides the rest where the format asks for it.
    """

    labels = LABELS
    classes = NAMES
    holds_image_files = False
    """Whether the format keeps images in files of their own, so that the reader of image folders recognises it too."""

    def images(self, seed=0):
        """Return one image for each label, encoded or as an array."""
        return formats.encoded(len(self.labels), seed)

    @pytest.fixture
    def example(self, tmp_path):
        """A folder with an example of the format."""
        self.write(tmp_path / "example", self.images(), self.labels)
        return tmp_path / "example"

    def test_no_other_reader_recognises_the_example(self, example):
        """Exactly one reader recognises the format, besides that of image folders if images are files."""
        folder = open_folder(str(example))
        recognised = {reader.name for reader in READERS if reader.recognises(folder)}
        assert recognised == {self.reader.name} | ({IMAGE_FOLDER.name} if self.holds_image_files else set())

    def test_the_samples_are_those_that_were_written(self, example):
        """Order, labels, names of the classes and every pixel are those of the example."""
        samples = samples_in(example)
        assert samples.labels.tolist() == list(self.labels)
        assert samples.classes == tuple(self.classes)
        np.testing.assert_array_equal(decoded(samples), decoded_alone(self.images()))

    def test_every_sample_has_a_name_of_its_own_inside_the_data_set(self, example):
        """No name begins with the place of the data set, so that the same images elsewhere have the same names."""
        samples = samples_in(example)
        names = samples.images.keys(samples.rows)
        assert len(set(names)) == len(names) == len(self.labels)
        assert not any(name.startswith("/") or str(example) in name for name in names)
        assert samples.images.keys(samples.rows[2:3]) == names[2:3]

    def test_another_process_decodes_the_same_images(self, example):
        """A pickled decoder needs nothing of the process that listed the data set."""
        samples = samples_in(example)
        sent = pickle.loads(pickle.dumps(Decoder(samples, SETTINGS)))
        found = np.stack([image.numpy() for image in sent.__getitems__(range(len(samples)))])
        np.testing.assert_array_equal(found, decoded(samples))

    def test_images_are_read_in_the_order_asked_for(self, example):
        """Numbers may fall, and may repeat."""
        images = samples_in(example).images
        last = len(self.labels) - 1
        found = images.read([last, 0, last])
        np.testing.assert_array_equal(found[0], found[2])
        np.testing.assert_array_equal(
            decoded_alone(found), decoded_alone([images.read([i])[0] for i in (last, 0, last)])
        )

    def test_the_digest_follows_images_labels_and_limit(self, tmp_path):
        """A data set written again with other images or labels is another one, and so is a part of it."""

        def digest(number, seed=0, limit=None, reverse=False):
            folder = tmp_path / str(number)
            if not folder.exists():
                self.write(folder, self.images(seed), self.labels[::-1] if reverse else self.labels)
            return list_dataset(str(folder), limit, SETTINGS).digest

        digests = [digest(0), digest(0, limit=3), digest(1, reverse=True), digest(2, seed=1)]
        assert len(set(digests)) == 4
        assert digest(0, limit=len(self.labels)) == digests[0]

    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def test_damaged_files_are_samples_or_one_error(self, tmp_path_factory, data):
        """Each image is read or named as broken, and nothing but `DatasetError` is raised, whichever bytes change."""
        folder = tmp_path_factory.mktemp("damaged") / "example"
        self.write(folder, self.images(), self.labels)
        file = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])
        try:
            samples = read_samples(open_folder(str(folder)))
        except DatasetError as error:
            found, message = [error], str(error)
        else:
            found, message = Decoder(samples, SETTINGS).__getitems__(range(len(samples))), ""
            assert len(found) == len(samples)
        assert message.isprintable()
        assert found
        assert all(isinstance(one, DatasetError) or one.shape == (3, 16, 16) for one in found)
