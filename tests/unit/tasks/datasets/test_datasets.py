"""Image folders and batches: order, labels, preprocessing identical to open_clip's, broken images named."""

import numpy as np
import open_clip
import pytest
import tiny
import torch
from PIL import Image

from storage.files import FileEntry
from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.readers.folder import Folder
from tasks.datasets.readers.image_folder import image_folder
from tasks.datasets.samples import evenly
from tasks.datasets.transform import normalized
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), interpolation="bicubic")


def listing(*paths):
    return Folder("here", None, "here", {path: FileEntry(path, 1, "x") for path in paths})


def decoder(folder, settings=SETTINGS):
    return Decoder(list_dataset(str(folder), None, settings).samples, settings)


def test_classes_are_numbered_in_sorted_order_and_samples_in_path_order():
    """Files that are not images are passed over; the first directory is the class, however deep the file."""
    folder = image_folder(listing("b/1.png", "a/z.JPG", "b/0.jpeg", "a/deep/2.png", "b/notes.txt", "list.csv"))
    assert folder.pictures.paths == ("a/deep/2.png", "a/z.JPG", "b/0.jpeg", "b/1.png")
    assert folder.classes == ("a", "b")
    np.testing.assert_array_equal(folder.labels, [0, 0, 1, 1])


def test_images_directly_inside_have_no_labels():
    """Unlabelled test data."""
    folder = image_folder(listing("2.png", "1.png"))
    assert (folder.classes, folder.labels.tolist()) == ((), [-1, -1])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "here: no images"),
        (["a/readme.txt"], "here: no images"),
        (["a/1.png", "2.png"], "1 images outside .* 2.png"),
    ],
)
def test_folders_that_are_no_data_set_are_refused(paths, message):
    """Empty is an error, never an accuracy of 0."""
    with pytest.raises(DatasetError, match=message):
        image_folder(listing(*paths))


def test_a_limit_is_spread_evenly():
    """So that no class is left out of a sorted folder."""
    np.testing.assert_array_equal(evenly(10, 4), [0, 2, 5, 7])
    np.testing.assert_array_equal(evenly(3, 5), [0, 1, 2])
    np.testing.assert_array_equal(evenly(3, None), [0, 1, 2])


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_preprocessing_is_open_clips_bit_for_bit(tmp_path, mode, interpolation):
    """For every kind of picture that PIL opens."""
    random = np.random.default_rng(0)
    suffix = "tif" if mode == "CMYK" else "png"
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(random.integers(0, 256, (37, 23, 3), dtype=np.uint8)).convert(mode).save(path)
    settings = Preprocessing(size=16, mean=SETTINGS.mean, std=SETTINGS.std, interpolation=interpolation)
    reference = open_clip.image_transform(
        16, is_train=False, mean=settings.mean, std=settings.std, interpolation=interpolation
    )
    ours = decoder(tmp_path, settings)[0]
    assert torch.equal(normalized(ours[None], settings)[0], reference(Image.open(path)))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_and_do_not_cross_spans(tmp_path, monkeypatch, workers):
    """Whoever decodes."""
    monkeypatch.setattr("tasks.datasets.loading._WORTH_PROCESSES", 1)
    tiny.image_folder(tmp_path, 11, seed=0)
    labels = list_dataset(str(tmp_path), None, SETTINGS).samples.labels
    spans = [(0, 4), (8, 11)]
    found = list(batches(decoder(tmp_path), labels, spans, batch_size=3, workers=workers))
    assert [batch.sample_index.tolist() for batch in found] == [[0, 1, 2], [3], [8, 9, 10]]
    assert [batch.span for batch in found] == [(0, 4), (0, 4), (8, 11)]
    assert [batch.labels.tolist() for batch in found] == [[0, 0, 0], [0], [2, 2, 2]]
    single = decoder(tmp_path)[9]
    assert torch.equal(found[-1].images[1], single)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_broken_image_is_named(tmp_path, monkeypatch, workers, content):
    """In one line, also from a worker process."""
    monkeypatch.setattr("tasks.datasets.loading._WORTH_PROCESSES", 1)
    tiny.image_folder(tmp_path, 6, seed=0)
    (tmp_path / "class1" / "00001.png").write_bytes(content)
    labels = list_dataset(str(tmp_path), None, SETTINGS).samples.labels
    with pytest.raises(DatasetError, match=r"class1/00001.png: broken image") as caught:
        list(batches(decoder(tmp_path), labels, [(0, 6)], batch_size=2, workers=workers))
    assert "\n" not in str(caught.value)


def test_the_digest_follows_the_images_and_how_they_are_prepared(tmp_path):
    """An edited, renamed or removed image, another size or another limit: another data set."""
    tiny.image_folder(tmp_path, 9, seed=0)

    def digest(limit=None, settings=SETTINGS):
        return list_dataset(str(tmp_path), limit, settings).digest

    seen = [digest()]
    assert digest() == seen[0]
    seen += [digest(limit=5), digest(settings=Preprocessing(**{**vars(SETTINGS), "size": 8}))]
    tiny.image_folder(tmp_path, 1, seed=7)  # the first image, edited
    seen.append(digest())
    (tmp_path / "class0" / "00000.png").rename(tmp_path / "class0" / "zz.png")
    seen.append(digest())
    (tmp_path / "class0" / "zz.png").unlink()
    seen.append(digest())
    assert len(set(seen)) == len(seen)
    (tmp_path / "notes.txt").write_text("not an image")
    assert digest() == seen[-1]
