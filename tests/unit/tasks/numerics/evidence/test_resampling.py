"""Resamples: multinomial counts, the same for equal seeds, and any part of them without the rest."""

import hashlib

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from tasks.numerics.evidence.resampling import Resampling, resamples


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (1, 30), (7, 60), (1000, 26)])
def test_every_resample_draws_as_many_samples_as_exist(samples, count):
    """Columns of counts sum to n, and counts are whole numbers of 32-bit floating point."""
    drawn = resamples(samples, count, seed=3)
    assert drawn.shape == (samples, count)
    assert drawn.dtype == np.float32
    assert (drawn.sum(axis=0) == samples).all()
    assert (drawn == np.round(drawn)).all()
    assert drawn.min() >= 0


def test_counts_are_multinomial():
    """The counts of one sample follow the binomial distribution (n, 1/n), near Poisson's, and vary as it does."""
    drawn = resamples(2000, 500, seed="multinomial")
    seen = np.bincount(drawn.astype(int).ravel(), minlength=6)[:6]
    expected = poisson.pmf(np.arange(6), 1.0)
    assert chisquare(seen, expected / expected.sum() * seen.sum()).pvalue > 1e-3
    assert drawn.var() == pytest.approx(1 - 1 / 2000, rel=0.01)
    # counts of two samples have the covariance −1/n: the sum over half of the samples has the variance n/4, not n/2
    assert drawn[:1000].sum(axis=0).var() == pytest.approx(500, rel=0.25)


def test_equal_seeds_draw_equal_samples_and_unequal_ones_do_not():
    """A text seeds as well as a number; a number differs from its digits, and each resample from the next."""
    drawn = {seed: resamples(50, 40, seed) for seed in (0, 1, "0", "photos")}
    for seed, counts in drawn.items():
        np.testing.assert_array_equal(counts, resamples(50, 40, seed))
    assert len({counts.tobytes() for counts in drawn.values()}) == 4
    assert len({column.tobytes() for column in drawn[0].T}) == 40


def test_the_counts_are_the_same_on_every_platform():
    """The bytes of some counts are those that were drawn when this test was written."""
    drawn = resamples(1000, 60, seed="every platform").astype("<f4")
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == "afe285c412fe54d6"


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (24, 26), (30, 61), (99, 100), (0, 100)])
def test_any_range_of_resamples_is_drawn_without_the_others(start, stop):
    """A range equals the same columns of all resamples."""
    drawn = Resampling(20, 100, "range")
    np.testing.assert_array_equal(drawn.counts(start, stop), resamples(20, 100, "range")[:, start:stop])


def test_more_resamples_begin_with_the_fewer():
    """The number of resamples does not change the first of them."""
    np.testing.assert_array_equal(resamples(20, 100, 5)[:, :30], resamples(20, 30, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 10), "samples: wanted at least 1, got 0"), ((5, 0), "count: wanted at least 1, got 0")],
)
def test_no_samples_or_resamples_are_refused(arguments, message):
    """Nothing can be drawn from nothing, and no interval made of no resamples."""
    with pytest.raises(ValueError, match=message):
        resamples(*arguments)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 3), (5, 11)])
def test_a_range_outside_the_resamples_is_refused(start, stop):
    """The message names the range and the number of resamples."""
    with pytest.raises(ValueError, match=f"wanted a range inside 0 to 10, got {start} to {stop}"):
        Resampling(4, 10).counts(start, stop)
