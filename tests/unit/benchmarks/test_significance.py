"""The tests of `dawin compare` in simulations: false alarms of equal methods, and the coverage of intervals."""

import pytest

from benchmarks.significance import coverages, false_alarms

SIMULATIONS = 400  # a share of 0.05 has a standard deviation of 0.011

pytestmark = pytest.mark.slow


def test_equal_methods_are_told_apart_in_five_percent_of_the_tables_at_most():
    """The share with any corrected p below 0.05 is that of the level or below, by either test and for all pairs."""
    found = {line.name: line.share for line in false_alarms(SIMULATIONS) if not line.name.startswith("for contrast")}
    assert len(found) == 4
    assert max(found.values()) <= 0.05 + 3 * 0.011
    assert found["McNemar, 5 independent tests"] >= 0.05 - 3 * 0.011


def test_intervals_hold_the_true_difference_in_ninety_five_percent_of_the_cases():
    """Tango's and the bootstrap's, for several accuracies and numbers of samples."""
    found = [line.share for line in coverages(SIMULATIONS)]
    assert len(found) == 7
    assert all(abs(share - 0.95) <= 3 * 0.011 for share in found)
