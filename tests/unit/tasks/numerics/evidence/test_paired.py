"""The paired bootstrap against the paired t-test, and its laws."""

import numpy as np
import pytest
from scipy import stats

from tasks.numerics.evidence.paired import paired_test


def replicates(values, resamples=4000, seed=1):
    """Means of a term on multinomial resamples: (B,)."""
    n = len(values)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
    return weights @ values / n


@pytest.mark.parametrize(("n", "shift"), [(12, 0.4), (60, 0.2), (2000, 0.03), (2000, 0.2)])
def test_for_means_the_test_is_the_paired_t_test(n, shift):
    """Intervals and p-values agree with scipy's, as closely as 4,000 resamples allow."""
    random = np.random.default_rng(n)
    a = random.exponential(size=n)
    b = a - shift + 0.5 * random.standard_normal(n)
    found = paired_test((a - b).mean(), replicates(a - b), n)
    wanted = stats.ttest_rel(a, b)
    low, high = wanted.confidence_interval()
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.06 * (high - low))
    assert stats.norm.isf(found.p_value / 2) == pytest.approx(stats.norm.isf(wanted.pvalue / 2), rel=0.06)


def test_a_p_value_may_fall_far_below_one_in_the_number_of_resamples():
    """Holm's correction of hundreds of pairs can still find a large difference."""
    random = np.random.default_rng(3)
    assert paired_test(0.1, 0.1 + 0.005 * random.standard_normal(200), 10_000).p_value < 1e-40


def test_the_interval_holds_zero_exactly_where_p_is_at_least_five_percent():
    """Interval and p-value say the same."""
    random = np.random.default_rng(4)
    drawn = random.standard_normal((300, 500))
    value = np.linspace(-3, 3, 300)
    found = paired_test(value, value[:, None] + drawn, np.full(300, 40))
    assert np.array_equal((found.low <= 0) & (found.high >= 0), found.p_value >= 0.05)
    assert 0 < np.mean(found.p_value >= 0.05) < 1


def test_swapping_the_methods_changes_the_sign_and_nothing_else():
    """The p-value stays, and the interval is mirrored at zero."""
    drawn = 0.3 + np.random.default_rng(5).standard_normal(100)
    one, other = paired_test(0.3, drawn, 50), paired_test(-0.3, -drawn, 50)
    assert (other.low, other.high, other.p_value) == (-one.high, -one.low, one.p_value)


def test_methods_that_never_differ_are_equal_and_have_no_interval():
    """No spread among the resamples says nothing about the spread among samples."""
    found = paired_test(0.0, np.zeros(100), 50)
    assert found.p_value == 1
    assert np.isnan(found.low)
    assert found.standard_error == 0


@pytest.mark.parametrize("n", [1, 5, 20])
def test_samples_that_all_favour_one_method_alike_are_no_proof_beyond_their_number(n):
    """P is the chance that n samples favour the same one of two equal methods; one sample proves nothing."""
    assert paired_test(1.0, np.ones(100), n).p_value == 2.0 ** (1 - n)
    assert paired_test(1.0, 1 + 1e-16 * np.arange(100), n).p_value == 2.0 ** (1 - n)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, np.ones(1), 5), "with B of at least 2, got"),
        ((np.zeros(2), np.ones((3, 10)), 5), r"wanted shape \(2, 'B'\)"),
        ((0.1, [0.1, np.nan], 5), "wanted finite numbers"),
        ((0.1, [0.1, 0.2], 0), "samples: wanted at least one"),
    ],
)
def test_resamples_that_do_not_fit_are_refused(arguments, message):
    """Nothing is computed from one resample, from NaN, or from no samples."""
    with pytest.raises(ValueError, match=message):
        paired_test(*arguments)
