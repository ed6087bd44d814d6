"""Intervals: those of other libraries, what they promise, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from statsmodels.stats.proportion import proportion_confint

from tasks.numerics.evidence.intervals import bootstrap_interval, distance_interval, minimum_interval, wilson_interval

COUNTS = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilsons_interval_has_known_ends():
    """8 right of 10 have the 95 % interval 0.4902 to 0.9433 (z = 1.96; centre 0.7168, half width 0.2266)."""
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.8, 0.95]))
def test_wilsons_interval_is_that_of_statsmodels_and_scipy(counts, confidence):
    """It equals both at the ends and between them; scipy's takes too long to import."""
    found = wilson_interval(*counts, confidence)
    assert found == pytest.approx(proportion_confint(*counts, alpha=1 - confidence, method="wilson"), abs=1e-9)
    wanted = binomtest(*counts).proportion_ci(confidence, method="wilson")
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "samples"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(hits, samples):
    """The message holds both counts."""
    with pytest.raises(ValueError, match=f"got {hits} of {samples}"):
        wilson_interval(hits, samples)


@settings(deadline=None)
@given(COUNTS)
def test_the_lowest_of_one_fraction_has_the_interval_of_clopper_and_pearson(counts):
    """With one fraction nothing is corrected: the ends are those of scipy's exact interval."""
    wanted = binomtest(*counts).proportion_ci(0.95, method="exact")
    found = minimum_interval(*(np.array([count]) for count in counts))
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_the_interval_of_the_lowest_fraction_holds_it(hits):
    """For any fractions of 20 trials the lowest is between the ends."""
    low, high = minimum_interval(np.array(hits), np.full(len(hits), 20))
    assert 0 <= low <= min(hits) / 20 <= high <= 1


def test_the_interval_of_the_lowest_fraction_covers_it():
    """In at least 95 % of 2,000 draws of ten fractions, the interval holds the lowest of their probabilities."""
    probabilities = np.linspace(0.70, 0.75, 10)
    random = np.random.default_rng(0)
    found = [minimum_interval(random.binomial(40, probabilities), np.full(10, 40)) for _ in range(2000)]
    assert np.mean([low <= 0.70 <= high for low, high in found]) >= 0.95


def test_a_fraction_without_trials_is_refused():
    """A class without samples has no recall, and no class at all has no lowest one."""
    for hits, samples in (([1, 0], [2, 0]), ([3], [2]), ([], [])):
        with pytest.raises(ValueError, match="wanted successes among at least one trial of each fraction"):
            minimum_interval(np.array(hits), np.array(samples))


def test_replicates_around_the_value_give_their_quantiles():
    """Without bias, the interval of 999 evenly spaced replicates leaves 25 steps of 1,000 out at each end."""
    replicates = np.arange(1, 1000) / 1000
    assert bootstrap_interval(0.5, replicates) == pytest.approx((0.025, 0.975))


def test_biased_replicates_are_corrected_by_twice_their_bias():
    """Normal replicates of mean b and deviation 1 around the value 0 have the interval −b ± 1.96."""
    normal = norm.ppf((np.arange(99_999) + 0.5) / 99_999)
    for bias in (-0.5, 0.0, 0.3):
        low, high = bootstrap_interval(0.0, normal + bias)
        assert (low, high) == pytest.approx((-bias - 1.96, -bias + 1.96), abs=0.01)


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=30, max_size=60, unique=True), st.floats(-3, 3), st.floats(0.1, 5))
def test_units_do_not_matter(replicates, value, scale):
    """A number times a constant has the interval times the constant, and a number turned round the interval turned."""
    low, high = bootstrap_interval(value, np.array(replicates))
    scaled = bootstrap_interval(value * scale, np.array(replicates) * scale)
    assert scaled == pytest.approx((low * scale, high * scale), abs=1e-9)
    assert bootstrap_interval(-value, -np.array(replicates)) == pytest.approx((-high, -low), abs=1e-9)


def test_replicates_that_say_nothing_have_no_interval():
    """None where all replicates are equal, or most of them are not defined."""
    assert bootstrap_interval(1.0, np.ones(100)) is None
    assert bootstrap_interval(1.0, np.array([1.0, 2.0, np.nan, np.nan, np.nan])) is None
    assert bootstrap_interval(1.0, np.array([])) is None


def test_resamples_without_a_value_are_left_out():
    """An undefined replicate changes nothing while most are defined."""
    replicates = np.arange(1, 1000) / 1000
    wanted = bootstrap_interval(0.5, replicates)
    assert bootstrap_interval(0.5, np.append(replicates, [np.nan] * 50)) == wanted


def test_the_interval_holds_the_value():
    """Where the corrected quantiles are on one side of the value, the interval is extended to it."""
    low, high = bootstrap_interval(-1.0, np.linspace(0.0, 1.0, 101))
    assert low < high == -1.0


@pytest.mark.parametrize("truth", [0.0, 0.02, 0.1])
def test_the_interval_of_a_distance_covers_it_at_and_away_from_0(truth):
    """Of 1,000 draws of 1,000 samples in ten parts, at least 94 % have the distance in the interval."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        part = random.integers(0, 10, 1000)
        low, high = distance_interval(truth + random.normal(size=1000) / 2, part)
        held += low <= truth <= high
    assert held >= 940


def test_a_distance_of_samples_that_are_all_alike_has_no_interval():
    """They do not show how much the distance varies, and an interval of one point would say that it does not."""
    assert distance_interval(np.full(100, 0.25), np.zeros(100, int)) is None
    assert distance_interval(np.array([0.25]), np.zeros(1, int)) is None
