"""Samples of data sets: limits spread evenly, runs of numbers."""

import numpy as np
import pytest

from tasks.datasets.samples import evenly, runs


def test_a_limit_is_spread_evenly():
    """Every class of a sorted folder is included."""
    np.testing.assert_array_equal(evenly(10, 4), [0, 2, 5, 7])
    np.testing.assert_array_equal(evenly(3, 5), [0, 1, 2])
    np.testing.assert_array_equal(evenly(3, None), [0, 1, 2])


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], []), ([4], [[4, 4]]), ([0, 1, 2], [[0, 2]]), ([0, 2, 3, 9], [[0, 0], [2, 3], [9, 9]])],
)
def test_rising_numbers_become_runs(numbers, expected):
    """Each run has its first and last number."""
    assert runs(np.array(numbers, np.int64)) == expected
