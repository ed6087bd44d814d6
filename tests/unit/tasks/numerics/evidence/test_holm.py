"""Holm's correction against statsmodels, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from tasks.numerics.evidence.holm import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(P_VALUES)
def test_corrected_values_equal_those_of_statsmodels(p):
    """Ties, zeros and ones included."""
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


@given(P_VALUES)
def test_the_correction_keeps_the_order_and_never_makes_a_value_smaller(p):
    """A smaller p-value has a smaller corrected one, and one test alone is not corrected."""
    corrected = holm(p)
    assert np.all(corrected >= p)
    assert np.all(corrected <= 1)
    assert np.all(np.diff(corrected[np.argsort(p)]) >= 0)
    assert holm(p[:1]) == p[:1]


@given(P_VALUES, st.randoms())
def test_the_order_of_the_tests_changes_nothing(p, random):
    """Each test keeps its corrected value."""
    order = list(range(len(p)))
    random.shuffle(order)
    assert np.array_equal(holm([p[i] for i in order]), holm(p)[order])


def test_no_tests_have_no_corrected_values():
    """An empty list is right."""
    assert holm([]).shape == (0,)


@pytest.mark.parametrize("p", [[0.5, 1.5], [-0.1], [float("nan")], [[0.5]]])
def test_numbers_that_are_no_p_values_are_refused(p):
    """A NaN would silently sort last."""
    with pytest.raises(ValueError, match="p_values: wanted"):
        holm(p)
