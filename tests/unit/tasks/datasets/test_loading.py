"""Batches: in order, within spans, with broken images named, by threads and by processes alike."""

import pytest
import tiny
import torch
from reader_contract import SETTINGS

from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset


def all_batches(folder, spans, batch_size, workers):
    """Load batches in this thread, or in processes however few the images are."""
    samples = list_dataset(str(folder), None, SETTINGS).samples
    decoder = Decoder(samples, SETTINGS)
    return list(batches(decoder, samples.labels, spans, batch_size, workers, least_for_processes=1))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_and_do_not_cross_spans(tmp_path, workers):
    """Each batch has the numbers, labels and images of samples of one span."""
    tiny.image_folder(tmp_path, 11, seed=0)
    found = all_batches(tmp_path, [(0, 4), (8, 11)], batch_size=3, workers=workers)
    assert [batch.sample_index.tolist() for batch in found] == [[0, 1, 2], [3], [8, 9, 10]]
    assert [batch.span for batch in found] == [(0, 4), (0, 4), (8, 11)]
    assert [batch.labels.tolist() for batch in found] == [[0, 0, 0], [0], [2, 2, 2]]
    single = Decoder(list_dataset(str(tmp_path), None, SETTINGS).samples, SETTINGS)[9]
    assert torch.equal(found[-1].images[1], single)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_broken_image_is_named(tmp_path, workers, content):
    """The message is one line, from a worker process too."""
    tiny.image_folder(tmp_path, 6, seed=0)
    (tmp_path / "class1" / "00001.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"class1/00001\.png: broken image") as caught:
        all_batches(tmp_path, [(0, 6)], batch_size=2, workers=workers)
    assert "\n" not in str(caught.value)
