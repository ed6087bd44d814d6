"""Output ensembles: probabilities mixed by coefficients."""

import numpy as np
import pytest

from tasks.numerics.ensemble import mix_predictions

LOG_P = [np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])]


def test_ensembles_mix_probabilities():
    """¼ (0.8, 0.2) + ¾ (0.4, 0.6) = (0.5, 0.5)."""
    np.testing.assert_allclose(np.exp(mix_predictions(LOG_P, np.array([0.25, 0.75]))), [[0.5, 0.5]])


def test_a_coefficient_of_one_gives_that_models_probabilities():
    """With all the weight on the first model, the ensemble predicts as it does."""
    np.testing.assert_allclose(mix_predictions(LOG_P, np.array([[1.0, 0.0]])), LOG_P[0])


@pytest.mark.parametrize("coefficients", [[0.5, 0.6], [1.5, -0.5], [1.0]])
def test_coefficients_off_the_simplex_are_refused(coefficients):
    """Coefficients that do not sum to one, are negative, or are too few would mix to no probabilities."""
    with pytest.raises(ValueError, match="coefficients: wanted rows of 2 that sum to one, none negative"):
        mix_predictions(LOG_P, np.array(coefficients))
