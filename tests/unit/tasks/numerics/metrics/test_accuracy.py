"""Top-k accuracy: known values with the arithmetic beside them, laws, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest

from tasks.numerics.metrics.accuracy import TOP1, TOP5, top_k, wilson_interval


def test_accuracy_has_wilsons_interval():
    """8 right of 10 have the 95 % interval 0.4902 to 0.9433 (z = 1.96; centre 0.7168, half width 0.2266)."""
    estimate = top_k(np.array([0] * 8 + [1, 5], np.int32), 1)
    assert estimate.value == 0.8
    assert estimate.ci_low == pytest.approx(0.4902, abs=1e-4)
    assert estimate.ci_high == pytest.approx(0.9433, abs=1e-4)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_the_interval_is_scipys(counts, confidence):
    """It equals the interval of `scipy.stats`, which takes too long to import, at both ends and between them."""
    hits, samples = counts
    wanted = binomtest(hits, samples).proportion_ci(confidence, method="wilson")
    assert wilson_interval(hits, samples, confidence) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_top_5_counts_labels_among_the_first_five():
    """Ranks 0 and 4 are among the first five classes, rank 5 is not."""
    assert top_k(np.array([0, 4, 5], np.int32), 5).value == pytest.approx(2 / 3)


@given(arrays(np.int32, st.integers(1, 50), elements=st.integers(0, 9)))
def test_accuracy_lies_in_its_interval_and_grows_with_k(ranks):
    """For any ranks, the interval lies inside [0, 1] and around the value, and top-5 is at least top-1."""
    estimates = [top_k(ranks, k) for k in (1, 5)]
    for value, low, high, samples in estimates:
        assert 0 <= low <= value + 1e-12
        assert value - 1e-12 <= high <= 1
        assert samples == ranks.size
    assert estimates[0].value <= estimates[1].value


@pytest.mark.parametrize(
    ("metric", "classes", "defined"),
    [(TOP5, 5, False), (TOP5, 6, True), (TOP1, 1, False), (TOP1, 2, True), (TOP1, None, False)],
)
def test_top_k_is_undefined_where_k_classes_are_all_classes(metric, classes, defined):
    """An accuracy that no prediction could lower is no row of the results."""
    assert (metric.estimate({"label_rank": np.zeros(3, np.int32)}, classes) is not None) == defined


@pytest.mark.parametrize(
    ("ranks", "k", "message"),
    [([], 1, "wanted at least one sample, got none"), ([0, -1], 1, "1 have none"), ([0], 0, "k: wanted at least 1")],
)
def test_accuracy_without_samples_labels_or_k_is_refused(ranks, k, message):
    """The accuracy of an empty array is an error and not 0, and so is that of samples without labels."""
    with pytest.raises(ValueError, match=message):
        top_k(np.array(ranks, np.int32), k)
