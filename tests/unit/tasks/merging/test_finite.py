"""Whether numbers are finite, by their sum: huge numbers are, NaN and infinities are not, wherever they stand."""

import doctest

import pytest
import torch

from tasks.merging import finite
from tasks.merging.finite import all_finite, find_the_cause

HUGE = torch.finfo(torch.float32).max


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_numbers_whose_sum_overflows_are_finite(dtype):
    """The numbers themselves decide where the sum does not."""
    largest = torch.finfo(dtype).max
    assert all_finite(torch.full((3, 5), largest, dtype=dtype))
    assert all_finite(torch.tensor([largest, -largest, 0.0], dtype=dtype))


@pytest.mark.parametrize("place", [0, 77, 999])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_one_wrong_number_is_found(wrong, place):
    """At the start, within, and at the end, also beside an infinity of the other sign."""
    numbers = torch.ones(1000)
    numbers[place] = wrong
    assert not all_finite(numbers)
    numbers[place - 1] = -wrong
    assert not all_finite(numbers)


def test_no_numbers_are_finite():
    """An empty tensor holds nothing that is wrong."""
    assert all_finite(torch.empty(0, 4))


def test_the_cause_is_looked_for_only_where_the_result_is_wrong():
    """States are read again one by one after a result that is not finite, and only then."""
    read = []

    class Noted(dict):
        def __getitem__(self, name):
            read.append(name)
            return super().__getitem__(name)

    states = [Noted(w=torch.ones(2)), Noted(w=torch.ones(2))]
    find_the_cause(torch.full((4,), HUGE), states, "w")
    assert read == []
    find_the_cause(torch.tensor([1.0, float("nan")]), states, "w")
    assert read == ["w", "w"]


def test_the_example_in_the_docstring_holds():
    """The `>>>` lines of the module print what its docstrings say."""
    assert doctest.testmod(finite).failed == 0
