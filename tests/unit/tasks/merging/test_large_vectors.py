"""Vectors in large pages are tensors like any other."""

import pytest
import torch

from tasks.merging.large_vectors import large_vector


@pytest.mark.parametrize("size", [0, 5, 3 << 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_large_vector_holds_what_is_written(size, dtype):
    """It has the length and type that were asked for, and outlives everything but its own views."""
    vector = large_vector(size, dtype, torch.device("cpu"))
    vector.fill_(2)
    assert (vector.shape, vector.dtype) == ((size,), dtype)
    tail = vector[-3:]
    del vector
    assert torch.equal(tail, torch.full_like(tail, 2))


def test_a_vector_without_memory_is_left_to_torch():
    """Other devices than a processor have no pages of the system."""
    assert large_vector(3 << 20, torch.float32, torch.device("meta")).is_meta
