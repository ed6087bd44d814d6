"""Measured seconds: each object's manifest has the time of computing it, and of nothing else."""

import importlib

import numpy as np
import pytest
import tiny
import torch

from storage import keys
from storage.manifests import read_manifest
from storage.schemas import PREDICTIONS
from storage.spans import Span
from storage.store import Store
from tasks.datasets.loading import Batch
from tasks.datasets.preprocessing import Preprocessing
from tasks.streaming.devices import device_name
from tasks.streaming.inference import Inference
from tasks.streaming.output_sinks import logits_sink
from tasks.streaming.sinks import Sink, scored

filling = importlib.import_module("tasks.streaming.fill")  # the module: it has a function of the same name

SPANS = [Span(0, 4), Span(4, 7)]
BATCHES = [(Span(0, 4), [1, 0]), (Span(0, 4), [3, 2]), (Span(4, 7), [4, 5, 6])]


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose sum is the time; nothing else lets the time pass."""
    passed = []
    monkeypatch.setattr(filling, "monotonic", lambda: float(sum(passed)))
    return passed


def batches(clock, *, decoding=0.0):
    """Yield the batches; each takes `decoding` seconds."""
    for span, index in BATCHES:
        clock.append(decoding)
        yield Batch(span, np.array(index), np.zeros(len(index), np.int32), torch.zeros(len(index), 3, 16, 16))


def sink(prefix, clock, *, computing, fetching=0.0, device="cpu"):
    """Return a sink that takes `computing` seconds for each sample, and `fetching` before each batch."""

    def needs(batch, results):
        clock.append(fetching)

    def compute(batch, own):
        clock.append(computing * len(batch.sample_index))
        return np.zeros((len(batch.sample_index), 3)) - np.log(3)

    def columns(batch, log_p):
        return scored(log_p, batch.labels)

    return Sink(
        prefix=prefix,
        schema=PREDICTIONS,
        identity={"of": prefix},
        needs=needs,
        compute=compute,
        columns=columns,
        device=device,
    )


def measured(store, prefix):
    """Return what the manifests of a table say of its computing, span by span."""
    return [dict(read_manifest(store, keys.samples(prefix, span)).measured) for span in SPANS]


def test_each_table_is_charged_for_its_own_computing_alone(tmp_path, clock):
    """Decoding, reading of other tables and the other tables of the pass are in nobody's seconds."""
    store = Store(str(tmp_path))
    sinks = [
        sink("predictions/a", clock, computing=0.25, fetching=16.0),
        sink("predictions/b", clock, computing=2.0, device="NVIDIA L4"),
    ]
    filling.fill(store, sinks, SPANS, lambda spans: batches(clock, decoding=64.0), description="a test")
    assert measured(store, "predictions/a") == [
        {"seconds": 1.0, "device": "cpu", "samples": 4},
        {"seconds": 0.75, "device": "cpu", "samples": 3},
    ]
    assert measured(store, "predictions/b") == [
        {"seconds": 8.0, "device": "NVIDIA L4", "samples": 4},
        {"seconds": 6.0, "device": "NVIDIA L4", "samples": 3},
    ]


def test_a_table_that_is_in_the_store_keeps_the_seconds_of_the_run_that_computed_it(tmp_path, clock):
    """A second pass computes the table that is missing, and the measurement of the other one stays."""
    store, slow = Store(str(tmp_path)), sink("predictions/a", clock, computing=5.0)
    filling.fill(store, [slow], SPANS, lambda spans: batches(clock), description="a test")
    quick = sink("predictions/a", clock, computing=1.0)
    both = [quick, sink("predictions/b", clock, computing=0.5)]
    filling.fill(store, both, SPANS, lambda spans: batches(clock), description="a test")
    assert [found["seconds"] for found in measured(store, "predictions/a")] == [20.0, 15.0]
    assert [found["seconds"] for found in measured(store, "predictions/b")] == [2.0, 1.5]


def test_a_model_on_the_processor_is_measured_as_cpu(tmp_path):
    """A real forward pass takes time, and its manifest names the device and counts the samples."""
    store = Store(str(tmp_path))
    settings = Preprocessing(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    sinks = [logits_sink("outputs/a", {}, tiny.classifier(1), Inference(settings, "fp32", 4))]
    filling.fill(store, sinks, SPANS, lambda spans: batches([]), description="a test")
    found = measured(store, "outputs/a")
    assert [(one["device"], one["samples"]) for one in found] == [("cpu", 4), ("cpu", 3)]
    assert all(one["seconds"] > 0 for one in found)


def test_a_device_is_named_by_its_type_unless_it_is_a_gpu():
    """Only a GPU has a name that says which one it is."""
    assert device_name(torch.device("cpu")) == "cpu"
    assert device_name(torch.device("meta")) == "meta"
