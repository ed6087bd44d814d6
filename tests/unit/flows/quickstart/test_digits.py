"""The digits of the quickstart: parts without a common image, and files that two builds share."""

import numpy as np
import pytest
import torch
from reader_contract import SETTINGS

from flows.quickstart.images import SIZE, Digits, parts
from flows.quickstart.looks import BROAD, LOOKS, MILD, shift
from flows.quickstart.one_task import shown_sets
from flows.quickstart.training import looking, new_classifier, train
from flows.quickstart.written_files import write_images
from tasks.opening.list_samples import list_dataset


@pytest.fixture(scope="module")
def split():
    """The parts of the first seed."""
    return parts(1)


def test_every_digit_is_in_one_part_and_the_parts_have_their_sizes(split):
    """Whatever the seed, the four parts together are the 1,797 digits, each once."""
    assert [len(part.labels) for part in split] == [120, 680, 200, 797]

    def rows(parts):
        return sorted(image.tobytes() for part in parts for image in part.images)

    assert len(rows(split)) == 1797
    assert rows(split) == rows(parts(2))


def test_the_parts_are_stratified(split):
    """Each digit is a tenth of each part, give or take two samples and a hundredth."""
    for part in split:
        shares = np.bincount(part.labels, minlength=10) / len(part.labels)
        assert np.abs(shares - 0.1).max() < 0.01 + 2 / len(part.labels)


def test_the_parts_depend_on_the_seed_alone(split):
    """One seed gives one split, and another seed another."""
    assert np.array_equal(split.test.images, parts(1).test.images)
    assert not np.array_equal(split.test.images, parts(2).test.images)


@pytest.mark.parametrize("look", [*LOOKS.values(), *BROAD, *MILD])
def test_a_look_keeps_the_form_of_images_and_follows_its_generator(look, split):
    """The same state of the generator gives the same images."""
    images = split.test.images[:4]
    first, second = (shift(images, look, np.random.default_rng(7)) for _ in range(2))
    assert first.shape == (4, SIZE, SIZE)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)


def test_a_set_is_shown_under_every_look_and_only_clean_is_unchanged(split):
    """Nine shifts change the images and keep the labels."""
    few = Digits(split.test.images[:20], split.test.labels[:20])
    shown = shown_sets(few, 1)
    same = [name for name, digits in shown.items() if np.array_equal(digits.images, few.images)]
    assert same == ["clean"]
    assert all(np.array_equal(digits.labels, few.labels) for digits in shown.values())


def test_two_builds_of_images_are_one_data_set(split, tmp_path):
    """Times of change are part of a data set's digest, so the images of all builds have the same."""
    few = Digits(split.test.images[:20], split.test.labels[:20])
    for build in ("first", "second"):
        write_images(tmp_path / build, few)
    first, second = (list_dataset(str(tmp_path / build), None, SETTINGS) for build in ("first", "second"))
    assert first.digest == second.digest
    assert len(first.samples) == 20


def test_a_training_depends_on_its_seed_and_on_no_number_of_threads(split):
    """The same seed gives the same weights, bit for bit, and the number of threads is as before."""
    threads = torch.get_num_threads()

    def trained(seed, threads):
        torch.set_num_threads(threads)
        classifier = new_classifier(1)
        few = Digits(split.tuning.images[:64], split.tuning.labels[:64])
        train(classifier, looking(few, MILD), epochs=1, rate=1e-3, seed=seed, work_name="train")
        assert torch.get_num_threads() == threads
        return torch.cat([tensor.flatten() for tensor in classifier.state_dict().values()])

    try:
        first, second, other = trained(1, 1), trained(1, 2), trained(2, 1)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
