"""The same numbers on a CUDA device."""

import numpy as np
import pytest
import tiny
import torch

from tasks.datasets.preprocessing import Preprocessing
from tasks.merging.per_sample import merge_per_sample
from tasks.streaming.images import transferred
from tasks.streaming.inference import Inference

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

SETTINGS = Preprocessing(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bicubic")
IMAGES = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PRECISIONS = [("fp32", 1e-4), ("bf16", 0.2), ("fp16", 0.05)]


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_logits_are_those_of_the_processor(precision, tolerance):
    """To the precision's rounding."""
    expected = Inference(SETTINGS, "fp32", 8).logits(tiny.classifier(1), IMAGES)
    got = Inference(SETTINGS, precision, 3).logits(tiny.classifier(1).cuda(), IMAGES.cuda())
    assert abs(got - expected).max() < tolerance


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_per_sample_merging_is_that_of_the_processor(precision, tolerance):
    """To the precision's rounding."""
    rows = np.random.default_rng(0).dirichlet([1, 1, 1], 8)
    states = [tiny.classifier(seed).state_dict() for seed in range(3)]
    expected = Inference(SETTINGS, "fp32", 8).logits(merge_per_sample(tiny.classifier(0), states), IMAGES, rows)
    there = [{name: tensor.cuda() for name, tensor in state.items()} for state in states]
    dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    module = merge_per_sample(tiny.classifier(0), there, dtype=dtype)
    got = Inference(SETTINGS, precision, 3).logits(module, IMAGES.cuda(), rows)
    assert abs(got - expected).max() < tolerance


def test_batches_travel_whole():
    """Whatever the stream that they travel on does meanwhile."""
    from tasks.datasets.loading import Batch

    sent = [Batch((0, 40), np.arange(8) + i, np.zeros(8, np.int32), (IMAGES + i).pin_memory()) for i in range(0, 40, 8)]
    for before, after in zip(sent, transferred(iter(sent), "cuda"), strict=True):
        assert torch.equal(before.images, after.images.cpu())
