"""Accuracy relative to the tuned model: known values, no upper end, and no division by zero."""

import numpy as np
import pytest

from tasks.numerics.metrics.normalised_accuracy import NORMALISED_TOP1


def ranks(own, tuned):
    """Return the columns of samples from their ranks by the method and by the tuned model."""
    return {"label_rank": np.array(own, np.int32), "tuned_rank": np.array(tuned, np.int32)}


def test_it_is_the_ratio_of_two_accuracies():
    """One right of four, where the tuned model has two right of four, is 1/4 ÷ 2/4."""
    assert NORMALISED_TOP1.value(ranks([0, 1, 5, 2], [0, 0, 1, 1]), 10) == 0.5


def test_a_method_that_beats_the_tuned_model_exceeds_1():
    """Three right against two: the value is 1.5, since it is no share of anything."""
    assert NORMALISED_TOP1.value(ranks([0, 0, 0, 2], [0, 0, 1, 1]), 10) == 1.5


def test_the_tuned_model_itself_has_1():
    """A method of the same ranks has the ratio 1 exactly, and so on all resamples."""
    columns = ranks([0, 0, 3], [0, 0, 3])
    assert NORMALISED_TOP1.value(columns, 10) == 1.0
    assert (NORMALISED_TOP1.statistic(columns, 10, np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 1.0]])) == 1).all()


def test_without_a_right_sample_of_the_tuned_model_it_is_undefined():
    """Nothing is divided by zero: the value is None, and a resample without such a sample is NaN."""
    assert NORMALISED_TOP1.value(ranks([0, 0], [1, 1]), 10) is None
    found = NORMALISED_TOP1.statistic(ranks([0, 0], [0, 1]), 10, np.array([[1.0, 0.0], [1.0, 2.0]]))
    assert found == pytest.approx([2.0, np.nan], nan_ok=True)


def test_its_title_says_what_it_is_relative_to():
    """Nobody may take it for an accuracy."""
    assert NORMALISED_TOP1.title == "accuracy relative to the model tuned on the data set"
