"""The same numbers on a CUDA device."""

import pytest
import tiny
import torch

from tasks.inference import logits_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.2), ("fp16", 0.05)])
def test_logits_are_those_of_the_processor(precision, tolerance):
    """To the precision's rounding."""
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = logits_of(tiny.classifier(1), images, "fp32")
    got = logits_of(tiny.classifier(1).cuda(), images.cuda(), precision)
    assert abs(got - expected).max() < tolerance
