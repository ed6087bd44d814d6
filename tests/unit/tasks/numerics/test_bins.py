"""Bins of coefficients: known bins, the largest distance that is promised, and refusals."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tasks.numerics.bins import bin_coefficients, find_bins
from tasks.numerics.metrics.coefficient_error import coefficient_error


def pairs(values):
    return np.column_stack([1 - np.asarray(values), values])


def test_five_values_fall_into_known_bins():
    """Five bins of width 0.2 hold 0, 0.1 | 0.5 | 0.9, 1.0: means 0.05, 0.5, 0.95, and no number for empty bins."""
    binning = bin_coefficients(pairs([1.0, 0.0, 0.5, 0.1, 0.9]), 5)
    np.testing.assert_array_equal(binning.assignment, [2, 0, 1, 0, 2])
    np.testing.assert_allclose(binning.coefficients[:, 1], [0.05, 0.5, 0.95])
    error = coefficient_error(pairs([1.0, 0.0, 0.5, 0.1, 0.9]), binning.coefficients[binning.assignment])
    assert error == pytest.approx((0.04, 0.05))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(1, 70))
def test_no_sample_is_further_from_its_bin_than_the_bin_is_wide(values, bins):
    """Bins of two models are contiguous in λ, and as wide as the range divided by their number."""
    own = pairs(values)
    binning = bin_coefficients(own, bins)
    error = coefficient_error(own, binning.coefficients[binning.assignment])
    assert error.mean <= error.largest <= np.ptp(values) / bins + 1e-12
    assert len(binning.coefficients) <= bins
    np.testing.assert_allclose(binning.coefficients.sum(axis=1), 1)
    order = np.argsort(values, kind="stable")
    assert (np.diff(binning.assignment[order]) >= 0).all()


@pytest.mark.parametrize("models", [3, 8])
def test_tight_groups_of_many_models_are_a_bin_each(models):
    """Four tight groups and four bins: every group is a bin, and the same seed gives the same bins."""
    random = np.random.default_rng(0)
    centres = random.dirichlet(np.ones(models), 4)
    member = random.integers(0, 4, 400)
    own = centres[member] + random.normal(0, 1e-5, (400, models))
    own /= own.sum(axis=1, keepdims=True)
    binning = bin_coefficients(own, 4, seed=1)
    assert len({(a, b) for a, b in zip(member, binning.assignment, strict=True)}) == 4
    assert coefficient_error(own, binning.coefficients[binning.assignment]).largest < 1e-3
    np.testing.assert_array_equal(binning.assignment, bin_coefficients(own, 4, seed=1).assignment)


@pytest.mark.parametrize("models", [2, 3])
def test_with_more_bins_than_samples_each_sample_keeps_its_coefficients(models):
    """Five samples in up to 5,000 bins are merged with exactly their own coefficients."""
    own = np.random.default_rng(0).dirichlet(np.ones(models), 5)
    binning = bin_coefficients(own, 5_000, seed=0)
    np.testing.assert_allclose(binning.coefficients[binning.assignment], own)


@pytest.mark.parametrize("models", [2, 4])
def test_equal_coefficients_are_one_bin(models):
    """Samples of the same coefficients share one bin, however many bins are allowed."""
    assert len(bin_coefficients(np.full((9, models), 1 / models), 64, seed=0).coefficients) == 1


def test_no_bins_and_no_numbers_are_refused():
    """The message names the argument and the value that is wrong with it."""
    with pytest.raises(ValueError, match="bins: wanted at least 1, got 0"):
        bin_coefficients(pairs([0.5]), 0)
    with pytest.raises(ValueError, match="coefficients: wanted finite numbers, got nan"):
        bin_coefficients(pairs([np.nan]), 3)
    with pytest.raises(ValueError, match="coefficients: wanted at least one value"):
        bin_coefficients(np.empty((0, 2)), 3)


@pytest.mark.parametrize("models", [2, 3])
def test_other_samples_get_a_bin_with_samples(models):
    """One that falls into an empty bin, or outside of all, gets the bin of the closest mean."""
    corner, other = np.eye(models)[0], np.eye(models)[-1]
    made_for = np.array([0.9 * corner + 0.1 * other, 0.1 * corner + 0.9 * other])
    bins = find_bins([made_for], 8, seed=0)
    asked = np.array([corner, 0.6 * corner + 0.4 * other, 0.4 * corner + 0.6 * other, other])
    closest = np.abs(asked[:, None] - bins.coefficients[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(bins.assign(asked), closest)
    np.testing.assert_array_equal(np.sort(bins.assign(made_for)), [0, 1])
