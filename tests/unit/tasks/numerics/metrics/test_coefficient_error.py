"""The error of coefficients: the largest difference over the models, averaged and maximised over the samples."""

import numpy as np

from tasks.numerics.metrics.coefficient_error import coefficient_error


def test_the_error_of_three_models_is_their_largest_difference():
    """Differences (0.1, 0.1, 0.2) and (0, 0.4, 0.4) have the maxima 0.2 and 0.4, so mean 0.3 and maximum 0.4."""
    own = np.array([[0.5, 0.3, 0.2], [0.2, 0.0, 0.8]])
    group = np.array([[0.6, 0.4, 0.0], [0.2, 0.4, 0.4]])
    np.testing.assert_allclose(coefficient_error(own, group), (0.3, 0.4))


def test_samples_merged_with_their_own_coefficients_have_no_error():
    """Equal arrays have mean and maximum 0 exactly."""
    own = np.random.default_rng(0).dirichlet(np.ones(4), 7)
    assert coefficient_error(own, own) == (0.0, 0.0)
