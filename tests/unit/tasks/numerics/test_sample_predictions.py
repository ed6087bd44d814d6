"""Columns of predictions: ranks and losses of labels, ties, and samples without labels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.numerics.entropy import log_probabilities
from tasks.numerics.sample_predictions import predict


def test_predictions_of_a_batch_by_hand():
    """The rank counts the classes above the label, and ties go to the lower class number, as in `argmax`."""
    log_p = log_probabilities(np.log([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25], [0.4, 0.4, 0.2]]))
    predictions = predict(log_p, np.array([1, 0, 1], np.int32))
    np.testing.assert_array_equal(predictions.prediction, [0, 1, 0])
    np.testing.assert_array_equal(predictions.label_rank, [1, 1, 1])
    np.testing.assert_allclose(predictions.loss, -np.log([0.3, 0.25, 0.4]))


@given(arrays(np.float64, (6, 4), elements=st.sampled_from([-1.0, 0.0, 1.0])), st.integers(0, 3))
def test_rank_0_is_the_same_as_a_right_prediction(logits, label):
    """Also where classes tie, the label has rank 0 exactly if it is the predicted class."""
    predictions = predict(log_probabilities(logits), np.full(6, label, np.int32))
    np.testing.assert_array_equal(predictions.label_rank == 0, predictions.prediction == label)


def test_a_sample_without_a_label_has_a_prediction_but_no_rank():
    """The rank is −1 and the loss NaN, while the predicted class is as for any sample."""
    predictions = predict(log_probabilities([[1.0, 2.0]]), np.array([-1], np.int32))
    assert (predictions.label_rank[0], predictions.prediction[0]) == (-1, 1)
    assert np.isnan(predictions.loss[0])
