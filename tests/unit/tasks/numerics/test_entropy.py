"""Entropies: known values with the arithmetic beside them, laws, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.numerics.entropy import log_probabilities, softmax_entropy


def test_entropy_of_known_distributions():
    """Four equal classes have entropy ln 4, one certain class 0, and two equal classes ln 2."""
    logits = np.array([[0, 0, 0, 0], [1000, 0, 0, 0], [0, 0, -1000, -1000]], dtype=np.float32)
    np.testing.assert_allclose(softmax_entropy(logits), [np.log(4), 0, np.log(2)], atol=1e-12)


def test_entropy_at_a_temperature():
    """Logits (ln 9, 0) at T = 2 are (ln 3, 0): probabilities ¾ and ¼, H = ln 4 − ¾ ln 3."""
    assert softmax_entropy([[np.log(9), 0]], 2.0)[0] == pytest.approx(np.log(4) - 0.75 * np.log(3), abs=1e-12)


def test_probabilities_at_a_temperature():
    """Logits (ln 9, 0) at T = 2 give the log probabilities ln ¾ and ln ¼."""
    np.testing.assert_allclose(log_probabilities([[np.log(9), 0]], 2.0), np.log([[0.75, 0.25]]))


@given(arrays(np.float64, (5, 7), elements=st.floats(-300, 300)), st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_entropy_lies_between_its_bounds_and_ignores_a_shift(logits, shift, temperature):
    """Entropies lie between 0 and ln(classes), and do not change when a constant is added to all logits."""
    values = softmax_entropy(logits, temperature)
    assert values.min() >= 0
    assert values.max() <= np.log(7) + 1e-12
    np.testing.assert_allclose(softmax_entropy(logits + shift, temperature), values, atol=1e-8)


@pytest.mark.parametrize(
    ("logits", "temperature", "message"),
    [
        ([[1.0, np.nan]], 1.0, "logits: wanted finite numbers, got nan at flat index 1"),
        ([1.0, 2.0], 1.0, r"logits: wanted 2 dimension\(s\), got shape \(2,\)"),
        (np.zeros((0, 3)), 1.0, r"logits: wanted at least one value, got shape \(0, 3\)"),
        ([[1.0, 2.0]], 0.0, "temperature: wanted a number above 0, got 0.0"),
        ([[1.0, 2.0]], float("nan"), "temperature: wanted a number above 0, got nan"),
    ],
)
def test_empty_or_non_finite_logits_are_refused(logits, temperature, message):
    """Logits and temperatures that have no entropy raise an error that names the argument, and give no number."""
    with pytest.raises(ValueError, match=message):
        softmax_entropy(logits, temperature)
