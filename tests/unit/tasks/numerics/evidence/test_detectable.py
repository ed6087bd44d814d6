"""The smallest difference that a test can find, against the power of the test itself."""

import numpy as np
import pytest
from scipy import stats

from tasks.numerics.evidence.detectable import detectable_by_error, detectable_by_mcnemar
from tasks.numerics.evidence.mcnemar import exact_mcnemar
from tasks.numerics.evidence.paired import paired_test


@pytest.mark.parametrize("discordant", [6, 7, 17, 100, 1_000])
def test_mcnemars_test_finds_the_difference_in_four_of_five_cases(discordant):
    """The power, summed over all tables with so many discordant samples, is 80 %."""
    n = 20_000
    share = (1 + detectable_by_mcnemar(discordant, n) * n / discordant) / 2
    count = np.arange(discordant + 1)
    rejected = exact_mcnemar(count, discordant - count) < 0.05
    favoured = count > discordant / 2
    power = stats.binom.pmf(count, discordant, share)[rejected & favoured].sum()
    assert power == pytest.approx(0.8, abs=1e-9)


def test_fewer_discordant_samples_than_six_cannot_show_any_difference():
    """Six is the smallest number whose two tails have 5 % at most; with fewer samples than that nothing is shown."""
    assert np.array_equal(detectable_by_mcnemar([0, 3, 5], 100), np.full(3, detectable_by_mcnemar(6, 100)))
    assert np.isnan(detectable_by_mcnemar([0, 5], [5, 5])).all()
    assert detectable_by_mcnemar(6, 6) <= 1


def test_more_samples_show_smaller_differences():
    """A hundred times the samples show a tenth of the difference."""
    assert detectable_by_mcnemar(50, 500) / detectable_by_mcnemar(5_000, 50_000) == pytest.approx(10, rel=0.1)


def test_the_bootstrap_finds_the_difference_in_four_of_five_cases():
    """Simulated estimates of that true difference are significant in 80 % of the cases."""
    n, error = 50, 0.01
    random = np.random.default_rng(6)
    value = detectable_by_error(error, n) + error * random.standard_normal(4_000)
    scale = error * np.sqrt(random.chisquare(n - 1, 4_000) / (n - 1)) * np.sqrt((n - 1) / n)
    drawn = value[:, None] + scale[:, None] * random.standard_normal(1_000)
    assert np.mean(paired_test(value, drawn, n).p_value < 0.05) == pytest.approx(0.8, abs=0.02)


def test_an_unknown_standard_error_shows_no_difference():
    """NaN, and not a difference of 0 that any samples could show."""
    assert np.isnan(detectable_by_error([0.0, 0.1], [100, 1])).all()
