"""McNemar's exact test and Tango's interval, against other programs and definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from tasks.numerics.evidence.mcnemar import discordance, exact_mcnemar, tango_interval

COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60)).filter(lambda c: sum(c) > 0)


def test_the_exact_test_equals_that_of_statsmodels():
    """The p-values agree to 1e-12 of their size, from no discordant sample to 100,000."""
    random = np.random.default_rng(1)
    pairs = [(a, b) for a in range(12) for b in range(12)]
    pairs += [tuple(random.integers(0, 10**k, 2)) for k in (2, 3, 4, 5) for _ in range(40)]
    for a, b in pairs:
        wanted = mcnemar([[3, a], [b, 5]], exact=True).pvalue
        assert exact_mcnemar(a, b) == pytest.approx(wanted, rel=1e-12, abs=1e-300)


@given(COUNTS)
def test_swapping_the_methods_changes_the_sign_and_nothing_else(counts):
    """The p-value stays, and the interval is mirrored at zero."""
    a, b, equal = counts
    n = a + b + equal
    low, high = tango_interval(a, b, n)
    assert tuple(tango_interval(b, a, n)) == (-high, -low)
    assert exact_mcnemar(a, b) == exact_mcnemar(b, a)
    assert -1 <= low <= (a - b) / n <= high <= 1


def score(delta, a, b, n):
    """The score statistic of a difference, with the nuisance parameter found by maximising the likelihood."""

    def loss(q):
        cells = ((a, q + delta), (b, q), (n - a - b, 1 - 2 * q - delta))
        return -sum(count * np.log(max(p, 1e-300)) for count, p in cells if count)

    bounds = (max(0.0, -delta), (1 - delta) / 2)
    q = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
    return (a - b - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(
    "table", [(12, 1, 50), (5, 5, 30), (30, 44, 1000), (1, 0, 12), (7, 20, 27), (400, 371, 50_000)]
)
def test_tangos_interval_holds_the_differences_that_the_score_test_does_not_reject(table):
    """Both ends are where the statistic, from the likelihood itself, equals its critical value."""
    a, b, n = table
    low, high = tango_interval(a, b, n)
    z, estimate = 1.959963984540054, (a - b) / n
    assert low == pytest.approx(brentq(lambda d: score(d, *table) - z, -1 + 1e-9, estimate - 1e-12), abs=1e-6)
    assert high == pytest.approx(brentq(lambda d: score(d, *table) + z, estimate + 1e-12, 1 - 1e-9), abs=1e-6)


@pytest.mark.parametrize("n", [1, 10, 400])
def test_methods_that_never_differ_have_an_interval_of_known_width(n):
    """Without a discordant sample the ends are ± z² / (n + z²), and p is 1."""
    end = 1.959963984540054**2 / (n + 1.959963984540054**2)
    assert np.array(tango_interval(0, 0, n)) == pytest.approx([-end, end], abs=1e-12)
    assert exact_mcnemar(0, 0) == 1


def test_one_method_right_everywhere_and_the_other_nowhere_reach_the_end():
    """The interval ends at 1 exactly; one sample alone proves nothing."""
    assert [float(tango_interval(n, 0, n)[1]) for n in (1, 5, 1000)] == [1, 1, 1]
    assert exact_mcnemar(1, 0) == 1
    assert exact_mcnemar(20, 0) == pytest.approx(2.0**-19)


def test_an_interval_shrinks_with_the_square_root_of_the_samples():
    """A hundred times the samples give a tenth of the width."""
    widths = [np.subtract(*tango_interval(30 * k, 20 * k, 1000 * k)) for k in (1, 100)]
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.05)


def test_the_paired_interval_lies_inside_the_unpaired_one_for_methods_that_err_alike():
    """Newcombe's unpaired interval of the same accuracies is wider where errors coincide."""
    for a, b, n in ((12, 5, 200), (60, 41, 1000), (400, 300, 20_000)):
        right = int(0.85 * n)
        low, high = confint_proportions_2indep(right + a - b, n, right, n, method="newcomb")
        assert low < tango_interval(a, b, n)[0] < tango_interval(a, b, n)[1] < high


def test_discordant_samples_are_counted_for_each_pair_in_any_order_of_the_samples():
    """The counts are those of a loop over pairs; permuting the samples changes none."""
    random = np.random.default_rng(2)
    right = random.random((4, 70_000)) < 0.8
    found = discordance(right)
    for i in range(4):
        for j in range(4):
            assert found.only_row[i, j] == np.sum(right[i] & ~right[j])
    assert np.array_equal(found.only_column, found.only_row.T)
    assert np.array_equal(discordance(right[:, random.permutation(70_000)]).only_row, found.only_row)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_mcnemar(-1, 3), "wanted counts of at least 0"),
        (lambda: tango_interval(3, -1, 10), "wanted counts of at least 0"),
        (lambda: tango_interval(3, 4, 6), "at least those on which the methods differ"),
        (lambda: tango_interval(0, 0, 0), "wanted at least one"),
        (lambda: discordance(np.zeros((2, 0), bool)), r"at least one of each, got \(2, 0\)"),
        (lambda: discordance(np.zeros(3, bool)), r"wanted shape \(methods, samples\)"),
    ],
)
def test_counts_that_no_samples_have_are_refused(call, message):
    """Nothing is computed from negative or impossible counts, or from no samples."""
    with pytest.raises(ValueError, match=message):
        call()
