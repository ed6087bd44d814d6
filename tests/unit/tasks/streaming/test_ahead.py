"""Images decoded ahead: the same batches, at most one data set, and nothing left behind."""

import threading

import pytest
import tiny
import torch
from reader_contract import SETTINGS

from storage.spans import Span
from tasks.opening.list_samples import list_dataset
from tasks.references.datasets import DatasetReference
from tasks.streaming import ahead
from tasks.streaming.images import Images
from tasks.streaming.reading import Reading

READING = Reading(batch_size=3, workers=2)


@pytest.fixture(autouse=True)
def clean():
    """Leave nothing ahead for the next test."""
    yield
    ahead.drop()


def dataset(folder, name="one", samples=11):
    tiny.image_folder(folder / name, samples, seed=samples)
    found = list_dataset(str(folder / name), None, SETTINGS)
    return DatasetReference(
        name=name, url=str(folder / name), digest=found.digest, samples=samples, group=None, limit=None,
        preprocessing=SETTINGS, label_space=None, classes=3, shard=4,
    )  # fmt: skip


def begun(reference, spans, reading=READING):
    ahead.begin(reference, reading, "cpu", spans)
    return reference, reading, "cpu"


def content(batches):
    return [(batch.span, batch.sample_index.tolist(), batch.labels.tolist(), batch.images) for batch in batches]


def equal(found, wanted):
    assert [one[:3] for one in found] == [one[:3] for one in wanted]
    assert all(torch.equal(one[3], other[3]) for one, other in zip(found, wanted, strict=True))


def test_a_pass_gets_the_same_batches_whether_or_not_they_were_decoded_ahead(tmp_path):
    """Also when the pass asks for other spans, or begins a second time."""
    reference = dataset(tmp_path)
    spans, others = [Span(0, 4), Span(4, 8), Span(8, 11)], [Span(4, 8)]
    plain = Images(reference, READING, "cpu")
    for asked in (spans, others):
        images = ahead.opened_images(*begun(reference, spans))
        equal(content(images.batches(asked)), content(plain.batches(asked)))
        equal(content(images.batches(spans)), content(plain.batches(spans)))


def test_the_batches_that_were_decoded_ahead_are_the_ones_that_a_pass_gets(tmp_path):
    """The first one is decoded once: the pass gets it after the images have gone."""
    reference = dataset(tmp_path)
    images = ahead.opened_images(*begun(reference, reference.spans[:1]))
    for path in (tmp_path / "one").rglob("*.png"):
        path.unlink()
    assert [one[1] for one in content(images.batches(reference.spans[:1]))] == [[0, 1, 2], [3]]


def test_only_the_data_set_that_was_begun_last_is_ahead(tmp_path):
    """Another data set in between is opened as ever, and the one before is dropped."""
    one, two = dataset(tmp_path), dataset(tmp_path, "two", 7)
    begun(one, one.spans)
    first = ahead._one
    begun(two, two.spans)
    assert not first._is_wanted
    assert content(ahead.opened_images(one, READING, "cpu").batches(one.spans))
    assert ahead._one.reference == two


def test_images_that_are_ahead_already_are_not_begun_again(tmp_path):
    """Other spans of the same data set are."""
    reference = dataset(tmp_path)
    begun(reference, reference.spans)
    first = ahead._one
    begun(reference, list(reference.spans))
    assert ahead._one is first
    begun(reference, reference.spans[1:])
    assert ahead._one is not first


@pytest.mark.parametrize("reading", [Reading(batch_size=3, workers=0), Reading(batch_size=3, cache_bytes=1 << 20)])
def test_nothing_is_decoded_ahead_without_workers_or_with_a_cache(tmp_path, reading):
    """The cache holds what the present data set still needs."""
    reference = dataset(tmp_path)
    begun(reference, reference.spans, reading)
    assert ahead._one is None


def test_a_fault_is_reported_by_the_pass_and_not_before(tmp_path):
    """A data set that has changed is refused when its pass opens it."""
    reference = dataset(tmp_path)
    tiny.image_folder(tmp_path / "one", 12, seed=3)
    arguments = begun(reference, reference.spans)
    with pytest.raises(ValueError, match="changed since the run began"):
        ahead.opened_images(*arguments)


def test_what_no_pass_takes_leaves_no_threads(tmp_path):
    """The threads that decode end when the images are dropped."""
    before = set(threading.enumerate())
    reference = dataset(tmp_path)
    begun(reference, reference.spans)
    ahead._one._thread.join()
    ahead.drop()
    assert set(threading.enumerate()) - before == set()
