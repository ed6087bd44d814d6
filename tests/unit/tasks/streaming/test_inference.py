"""From images to logits: in pieces, whatever memory allows; batches joined; tables written beside, in order."""

import logging

import numpy as np
import pytest
import tiny
import torch

from storage import keys
from storage.schemas import PREDICTIONS
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table
from tasks.datasets.loading import Batch
from tasks.datasets.preprocessing import Preprocessing
from tasks.streaming.fill import fill
from tasks.streaming.images import blocks
from tasks.streaming.inference import Inference
from tasks.streaming.sinks import Sink, scored

SETTINGS = Preprocessing(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bicubic")
IMAGES = torch.randint(0, 256, (10, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Narrow(torch.nn.Module):
    """A device that holds so many images per call."""

    def __init__(self, room):
        super().__init__()
        self.room, self.seen, self.model = room, [], tiny.classifier(1)

    def forward(self, images):
        self.seen.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model(images)


def test_out_of_memory_halves_the_batch_and_goes_on(caplog):
    """Told once, for good; the logits are those of one batch."""
    narrow, inference = Narrow(room=3), Inference(SETTINGS, "fp32", 10)
    with caplog.at_level(logging.WARNING):
        first = inference.logits(narrow, IMAGES)
        second = inference.logits(narrow, IMAGES)
    expected = Inference(SETTINGS, "fp32", 10).logits(tiny.classifier(1), IMAGES)
    np.testing.assert_allclose(first, expected, rtol=1e-5)
    np.testing.assert_allclose(second, expected, rtol=1e-5)
    assert narrow.seen == [10, 5, 2, 2, 2, 2, 2] + [2] * 5
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "out of memory with 10 images per call; continuing with 5",
        "out of memory with 5 images per call; continuing with 2",
    ]


def test_one_image_that_does_not_fit_is_an_error():
    """There is nothing left to halve."""
    with pytest.raises(torch.OutOfMemoryError):
        Inference(SETTINGS, "fp32", 4).logits(Narrow(room=0), IMAGES)


def test_logits_that_are_not_finite_are_refused():
    """They would be an accuracy of nothing."""
    model = tiny.classifier(1)
    model.head.weight[0, 0] = float("inf")
    with pytest.raises(ValueError, match="logits: not finite in fp32"):
        Inference(SETTINGS, "fp32", 4).logits(model, IMAGES)


def batch(span, index):
    return Batch(span, np.array(index), np.zeros(len(index), np.int32), IMAGES[np.array(index)])


def test_blocks_join_batches_of_one_span():
    """Batches of one span are joined in their order until a block has enough samples, and never across spans."""
    given = [
        batch(Span(0, 6), [1, 0]),
        batch(Span(0, 6), [3, 2]),
        batch(Span(0, 6), [5, 4]),
        batch(Span(6, 8), [6]),
        batch(Span(6, 8), [7]),
    ]
    found = list(blocks(iter(given), 3))
    assert [b.sample_index.tolist() for b in found] == [[1, 0, 3, 2], [5, 4], [6, 7]]
    assert [b.span for b in found] == [(0, 6), (0, 6), (6, 8)]
    assert torch.equal(found[0].images, IMAGES[[1, 0, 3, 2]])


def predictions(prefix, seen=None):
    def needs(given, results):
        if seen is not None:
            seen.append(sorted(results))
        return given.sample_index

    def compute(given, own):
        assert own is given.sample_index
        return np.eye(10)[given.sample_index] * 10 - 10

    def columns(given, log_p):
        return scored(log_p, np.where(given.sample_index % 2, given.sample_index, -1).astype(np.int32))

    return Sink(
        prefix=prefix, schema=PREDICTIONS, identity={"of": prefix}, needs=needs, compute=compute, columns=columns
    )


def test_tables_are_in_data_set_order_whatever_order_they_are_computed_in(tmp_path):
    """Missing labels stay missing, and a later table gets the result for an earlier one."""
    store, seen = Store(str(tmp_path)), []
    orders = {Span(0, 6): [[4, 1, 0], [2, 5, 3]], Span(6, 10): [[6, 7], [9], [8]]}

    def source(spans):
        return (batch(span, index) for span in spans for index in orders[span])

    sinks = [predictions("predictions/a"), predictions("predictions/b", seen)]
    tally = fill(store, sinks, list(orders), source, description="a test")
    assert tally == (20, 0)
    assert seen == [["predictions/a"]] * 5
    for span in orders:
        table = read_table(store, keys.samples("predictions/b", span), PREDICTIONS)
        assert table["sample_index"].to_pylist() == list(range(*span))
        assert table["prediction"].to_pylist() == list(range(*span))
        assert table["label"].to_pylist() == [i if i % 2 else None for i in range(*span)]
    assert fill(store, sinks, list(orders), source, description="a test") == (0, 20)


def test_an_error_in_the_background_ends_the_pass(tmp_path):
    """A full disk while writing is raised by the pass, and the unfinished object is not in the store."""

    def columns(given, result):
        raise OSError("disk full")

    broken = Sink(
        prefix="predictions/x", schema=PREDICTIONS, identity={}, compute=lambda given, own: None, columns=columns
    )
    store = Store(str(tmp_path))
    with pytest.raises(OSError, match="disk full"):
        fill(store, [broken], [Span(0, 4)], lambda spans: iter([batch(Span(0, 4), [0, 1, 2, 3])]), description="a test")
    assert list(store.keys("predictions")) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [([[0, 1], [3]], "samples are missing of .*the pass ended early"), ([[0, 1], [3, 1]], "not each of them once")],
)
def test_missing_or_repeated_samples_are_never_committed(tmp_path, given, message):
    """A source that skips a sample, or yields one twice, ends the pass with an error."""
    store = Store(str(tmp_path))
    with pytest.raises(RuntimeError, match=message):
        fill(
            store,
            [predictions("predictions/a")],
            [Span(0, 4)],
            lambda spans: (batch(Span(0, 4), index) for index in given),
            description="a test",
        )
    assert list(store.keys("predictions")) == []
