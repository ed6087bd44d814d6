"""Dirichlet mixtures: planted components, invariances, agreement with scipy and with the Beta, refusals."""

import numpy as np
import pytest
from planted import DIRICHLETS, dirichlet_samples
from scipy.stats import dirichlet as dirichlet_distribution
from sklearn.metrics import adjusted_rand_score

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.dirichlet_mixture import DirichletMixture, inside_simplex


def test_planted_components_are_recovered():
    """Concentrations come within 5 % of the planted ones, and nearly all samples are assigned to theirs."""
    x, components = dirichlet_samples(20_000)
    mixture = DirichletMixture(2, random_state=0).fit(x)
    np.testing.assert_allclose(mixture.alpha_, DIRICHLETS, rtol=0.05)
    assert adjusted_rand_score(components, mixture.predict(x)) > 0.95


@pytest.mark.parametrize("m_step", ["mle", "moments"])
@pytest.mark.parametrize("models", [2, 8, 20])
def test_few_and_many_models_are_fitted_alike(models, m_step):
    """Components that favour one model each are recovered for 2 to 20 models, and permuted columns permute the fit."""
    random = np.random.default_rng(models)
    alpha = np.full((2, models), 2.0)
    alpha[0, 0], alpha[1, 1] = 12.0 * models, 18.0 * models
    components = random.integers(0, 2, 20_000)
    x = np.empty((20_000, models))
    for k in range(2):
        x[components == k] = random.dirichlet(alpha[k], int((components == k).sum()))
    mixture = DirichletMixture(2, random_state=0, m_step=m_step).fit(x)
    assert adjusted_rand_score(components, mixture.predict(x)) >= 0.95
    order = np.argsort(-mixture.means_[:, 0])
    wanted = alpha / alpha.sum(1, keepdims=True)
    np.testing.assert_allclose(mixture.means_[order], wanted, rtol=0.05)
    if m_step == "mle":
        np.testing.assert_allclose(mixture.alpha_[order], alpha, rtol=0.05)
    columns = random.permutation(models)
    turned = DirichletMixture(2, random_state=0, m_step=m_step).fit(x[:, columns])
    np.testing.assert_allclose(
        turned.means_[np.argsort(turned.weights_)], mixture.means_[np.argsort(mixture.weights_)][:, columns], rtol=1e-3
    )


def test_log_densities_are_those_of_scipy():
    """The scores of one component are scipy's log densities of its concentrations."""
    x, _ = dirichlet_samples(50)
    mixture = DirichletMixture(1).fit(x)
    expected = dirichlet_distribution.logpdf(x.T, mixture.alpha_[0])
    np.testing.assert_allclose(mixture.score_samples(x), expected, rtol=1e-9)


def test_the_order_of_samples_and_coordinates_does_not_matter():
    """Permuted samples give the same concentrations, and permuted coordinates give them permuted."""
    x, _ = dirichlet_samples(2000)
    fit = DirichletMixture(1, tol=1e-10).fit(x)
    shuffled = np.random.default_rng(5).permutation(x)
    np.testing.assert_allclose(DirichletMixture(1, tol=1e-10).fit(shuffled).alpha_, fit.alpha_, rtol=1e-6)
    turned = DirichletMixture(1, tol=1e-10).fit(x[:, [2, 0, 3, 1]])
    np.testing.assert_allclose(turned.alpha_, fit.alpha_[:, [2, 0, 3, 1]], rtol=1e-6)


def test_two_coordinates_are_a_beta():
    """The Dirichlet of (1 − λ, λ) has the concentrations (β, α) of λ's Beta."""
    x = np.random.default_rng(0).beta(3.0, 5.0, 3000)
    dirichlet = DirichletMixture(1, tol=1e-12).fit(np.column_stack([1 - x, x]))
    beta = BetaMixture(1, m_step="mle", tol=1e-12).fit(x)
    np.testing.assert_allclose(dirichlet.alpha_[0], [beta.beta_[0], beta.alpha_[0]], rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_components_come_in_order_of_their_means(seed):
    """Whatever numbers k-means gives them, the component of smaller first mean comes first."""
    x, _ = dirichlet_samples(2000)
    mixture = DirichletMixture(2, random_state=seed).fit(x)
    np.testing.assert_allclose(mixture.weights_, DirichletMixture(2, random_state=9).fit(x).weights_, rtol=1e-3)
    assert mixture.means_[0, 0] < mixture.means_[1, 0]


def test_coefficients_near_a_vertex_are_moved_inside_once():
    """Moving samples inside twice is moving them once, so that fitting and scoring see the same samples."""
    x = [[1, 0, 0], [1 - 3e-7, 2e-7, 1e-7], [0.5, 0.5 - 1e-6, 1e-6], [0.2, 0.3, 0.5], [1 - 2e-6, 1.1e-6, 9e-7]]
    x = np.array(x)
    once = inside_simplex(x)
    np.testing.assert_array_equal(inside_simplex(once), once)
    assert once.min() >= 1e-6
    np.testing.assert_allclose(once.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(once[3], x[3])
    mixture = DirichletMixture(1).fit(np.vstack([x, np.random.default_rng(0).dirichlet([2, 3, 4], 50)]))
    np.testing.assert_allclose(mixture.score_samples(once), mixture.score_samples(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("mixture", "x", "message"),
    [
        (DirichletMixture(1), [[0.5, 0.6]], "wanted rows on the simplex"),
        (DirichletMixture(1), [[1.5, -0.5]], "wanted rows on the simplex"),
        (DirichletMixture(1), [[1.0]], "wanted at least 2 coefficients a row, got 1"),
        (DirichletMixture(1, m_step="newton"), [[0.5, 0.5]], "m_step: wanted 'moments' or 'mle', got 'newton'"),
    ],
)
def test_wrong_settings_and_samples_are_refused_by_fit(mixture, x, message):
    """Samples off the simplex and unknown settings raise an error that names them."""
    with pytest.raises(ValueError, match=message):
        mixture.fit(np.array(x))
