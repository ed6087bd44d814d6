"""Clusters of coefficients: the number of clusters by BIC, and the mixture that fits the number of models."""

import numpy as np
import pytest
from planted import beta_samples, dirichlet_samples
from sklearn.metrics import adjusted_rand_score

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.clustering import cluster_coefficients


def test_bic_finds_the_number_of_clusters():
    """`auto` finds the three planted components of two models' coefficients, and their samples."""
    x, components = beta_samples(3000)
    found = cluster_coefficients(np.column_stack([1 - x, x]), "auto", seed=0)
    assert len(found.clusters.weights) == 3
    assert adjusted_rand_score(components, found.assignment) > 0.95


def test_clusters_of_many_models_are_those_of_a_dirichlet_mixture():
    """The two planted components of four models are found, with means that sum to one."""
    x, components = dirichlet_samples(1500)
    found = cluster_coefficients(x, 2, seed=0)
    assert adjusted_rand_score(components, found.assignment) > 0.95
    np.testing.assert_allclose(found.clusters.coefficients.sum(axis=1), 1)


def test_clusters_of_two_models_have_the_means_of_a_beta_mixture():
    """The coefficients of a cluster are (1 − m, m) with the Beta mean m."""
    x, _ = beta_samples(500)
    found = cluster_coefficients(np.column_stack([1 - x, x]), 2, seed=1)
    mixture = BetaMixture(2, random_state=1).fit(x)
    np.testing.assert_allclose(found.clusters.coefficients, np.column_stack([1 - mixture.means_, mixture.means_]))


def test_coefficients_that_are_not_finite_are_refused():
    """The message names the argument and the value."""
    with pytest.raises(ValueError, match="coefficients: wanted finite numbers, got nan"):
        cluster_coefficients(np.array([[np.nan, 1.0]]), 1)
