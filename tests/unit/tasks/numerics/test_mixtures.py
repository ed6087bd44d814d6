"""Mixtures: recovery of planted components, laws of EM, known closed forms, refusals."""

import warnings

import numpy as np
import pytest
from scipy.stats import beta as beta_distribution
from scipy.stats import dirichlet as dirichlet_distribution
from sklearn.metrics import adjusted_rand_score

from tasks.numerics import expectation_maximization as em
from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.clustering import cluster_coefficients
from tasks.numerics.dirichlet_mixture import DirichletMixture

PLANTED = np.array([[2.0, 20.0], [30.0, 30.0], [20.0, 2.0]])
SIMPLEX = np.array([[12.0, 2, 2, 2], [2, 2, 15, 3]])


def planted_beta(n, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    return random.beta(*PLANTED[labels].T), labels


def planted_dirichlet(n, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    return np.stack([random.dirichlet(SIMPLEX[label]) for label in labels]), labels


@pytest.mark.parametrize("m_step", ["moments", "mle"])
def test_beta_recovers_planted_components(m_step):
    """Parameters within 10 %, hard assignment nearly all right."""
    x, labels = planted_beta(20_000)
    mixture = BetaMixture(3, m_step=m_step, random_state=0).fit(x)
    order = np.argsort(mixture.means_)
    np.testing.assert_allclose(np.column_stack([mixture.alpha_, mixture.beta_])[order], PLANTED, rtol=0.1)
    assert adjusted_rand_score(labels, mixture.predict(x)) > 0.95
    assert mixture.converged_


def test_dirichlet_recovers_planted_components():
    """Parameters within 5 %."""
    x, labels = planted_dirichlet(20_000)
    mixture = DirichletMixture(2, random_state=0).fit(x)
    order = np.argsort(-mixture.means_[:, 0])
    np.testing.assert_allclose(mixture.alpha_[order], SIMPLEX, rtol=0.05)
    assert adjusted_rand_score(labels, mixture.predict(x)) > 0.95


@pytest.mark.parametrize("m_step", ["mle", "moments"])
@pytest.mark.parametrize("models", [2, 8, 20])
def test_dirichlet_works_for_few_and_many_models(models, m_step):
    """Components that are sure of one model each; by likelihood, parameters within 5 %; order of columns is nothing."""
    random = np.random.default_rng(models)
    alpha = np.full((2, models), 2.0)
    alpha[0, 0], alpha[1, 1] = 12.0 * models, 18.0 * models
    labels = random.integers(0, 2, 20_000)
    x = np.empty((20_000, models))
    for k in range(2):
        x[labels == k] = random.dirichlet(alpha[k], int((labels == k).sum()))
    mixture = DirichletMixture(2, random_state=0, m_step=m_step).fit(x)
    assert adjusted_rand_score(labels, mixture.predict(x)) >= 0.95
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


def test_one_component_by_moments_is_the_closed_form():
    """m, v of the sample; s = m(1 − m)/v − 1; α = s·m, β = s·(1 − m)."""
    x, _ = planted_beta(500)
    x = np.clip(x / 2 + 0.25, 0, 1)  # one hump, so that the variance stays below its cap
    mixture = BetaMixture(1).fit(x)
    m, v = x.mean(), min(x.var(), x.mean() * (1 - x.mean()) / 4)
    s = m * (1 - m) / v - 1
    np.testing.assert_allclose([mixture.alpha_[0], mixture.beta_[0]], [s * m, s * (1 - m)], rtol=1e-6)
    np.testing.assert_allclose(mixture.means_, m)


def test_the_variance_is_capped():
    """Values at both ends would give α, β below 1; the cap m(1 − m)/4 means s ≥ 3."""
    mixture = BetaMixture(1).fit(np.array([0.01, 0.99] * 20))
    assert mixture.alpha_[0] + mixture.beta_[0] == pytest.approx(3.0)


def test_one_component_by_likelihood_agrees_with_scipy():
    """The maximum is scipy's."""
    x = np.random.default_rng(1).beta(2.5, 7.0, 4000)
    mixture = BetaMixture(1, m_step="mle", tol=1e-12).fit(x)
    a, b, _, _ = beta_distribution.fit(x, floc=0, fscale=1)
    np.testing.assert_allclose([mixture.alpha_[0], mixture.beta_[0]], [a, b], rtol=1e-4)


@pytest.mark.parametrize("family", ["beta", "dirichlet"])
def test_the_likelihood_never_falls_with_maximum_likelihood_steps(family):
    """Longer runs end at least as high, step by step."""
    if family == "beta":
        x, make = (
            planted_beta(800)[0],
            lambda steps: BetaMixture(3, m_step="mle", n_init=1, max_iter=steps, tol=1e-15, random_state=3),
        )
    else:
        x, make = (
            planted_dirichlet(800)[0],
            lambda steps: DirichletMixture(3, n_init=1, max_iter=steps, tol=1e-15, random_state=3),
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", em.ConvergenceWarning)
        bounds = [make(steps).fit(x).lower_bound_ for steps in range(1, 25)]
    assert np.all(np.diff(bounds) >= -1e-12)
    assert bounds[-1] > bounds[0]


def test_densities_are_the_mixtures():
    """log Σ_k w_k Beta(x; α_k, β_k), by scipy."""
    x, _ = planted_beta(300)
    mixture = BetaMixture(2, random_state=0).fit(x)
    parts = [
        w * beta_distribution.pdf(x, a, b)
        for w, a, b in zip(mixture.weights_, mixture.alpha_, mixture.beta_, strict=True)
    ]
    np.testing.assert_allclose(mixture.score_samples(x), np.log(np.sum(parts, axis=0)), rtol=1e-9)
    assert mixture.lower_bound_ == pytest.approx(mixture.score_samples(x).mean(), abs=1e-3)
    y, _ = planted_dirichlet(50)
    other = DirichletMixture(1).fit(y)
    np.testing.assert_allclose(other.score_samples(y), dirichlet_distribution.logpdf(y.T, other.alpha_[0]), rtol=1e-9)


def test_responsibilities_are_shares_and_predict_takes_the_largest():
    """Rows sum to one."""
    x, _ = planted_beta(300)
    mixture = BetaMixture(3, random_state=0).fit(x)
    shares = mixture.predict_proba(x)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(shares.argmax(axis=1), mixture.predict(x))


def test_the_order_of_samples_and_coordinates_changes_nothing():
    """Permuted samples: the same fit. Permuted coordinates: permuted concentrations."""
    x, _ = planted_dirichlet(2000)
    fit = DirichletMixture(1, tol=1e-10).fit(x)
    shuffled = np.random.default_rng(5).permutation(x)
    np.testing.assert_allclose(DirichletMixture(1, tol=1e-10).fit(shuffled).alpha_, fit.alpha_, rtol=1e-6)
    turned = DirichletMixture(1, tol=1e-10).fit(x[:, [2, 0, 3, 1]])
    np.testing.assert_allclose(turned.alpha_, fit.alpha_[:, [2, 0, 3, 1]], rtol=1e-6)


def test_two_coordinates_are_a_beta():
    """Dirichlet(β, α) of (1 − λ, λ)."""
    x = np.random.default_rng(0).beta(3.0, 5.0, 3000)
    dirichlet = DirichletMixture(1, tol=1e-12).fit(np.column_stack([1 - x, x]))
    beta = BetaMixture(1, m_step="mle", tol=1e-12).fit(x)
    np.testing.assert_allclose(dirichlet.alpha_[0], [beta.beta_[0], beta.alpha_[0]], rtol=1e-4)


def test_the_seed_decides_and_nothing_global_is_touched():
    """Equal seeds, equal fits; numpy's global state is left alone."""
    x, _ = planted_beta(1000)
    before = np.random.get_state()[1].copy()
    first, second = (BetaMixture(4, random_state=7).fit(x) for _ in range(2))
    np.testing.assert_array_equal(first.alpha_, second.alpha_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_many_samples_start_on_a_subset_and_end_on_all(monkeypatch):
    """The bound is that of all samples, and close to starting on all."""
    x, _ = planted_beta(5000)
    full = BetaMixture(3, random_state=0).fit(x)
    monkeypatch.setattr(em, "_STARTS_ON_ALL", 1000)
    refined = BetaMixture(3, random_state=0).fit(x)
    assert refined.lower_bound_ == pytest.approx(full.lower_bound_, abs=1e-3)
    assert refined.lower_bound_ == pytest.approx(refined.score_samples(x).mean(), abs=1e-3)


@pytest.mark.parametrize("x", [[0.0, 1.0, 0.0, 1.0], [0.5] * 4, [0.3, 0.3, 0.3, 0.9], [1.0] * 4])
@pytest.mark.parametrize("m_step", ["moments", "mle"])
def test_degenerate_samples_end_in_finite_numbers(x, m_step):
    """Exact 0 and 1, all alike, fewer distinct values than components."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", em.ConvergenceWarning)
        mixture = BetaMixture(3, m_step=m_step, random_state=0, max_iter=50).fit(np.array(x))
    for learnt in (mixture.alpha_, mixture.beta_, mixture.means_, mixture.weights_):
        assert np.all(np.isfinite(learnt))
    assert np.all(np.isfinite(mixture.predict_proba(np.array(x))))
    np.testing.assert_allclose(mixture.means_[mixture.predict(np.array(x))], x, atol=0.05)


def test_no_convergence_is_said():
    """A warning of its own class, and the attribute."""
    with pytest.warns(em.ConvergenceWarning, match="BetaMixture did not settle to 1e-15 in 2 iterations"):
        mixture = BetaMixture(3, max_iter=2, tol=1e-15, random_state=0).fit(planted_beta(500)[0])
    assert (mixture.converged_, mixture.n_iter_) == (False, 2)


@pytest.mark.parametrize(
    ("mixture", "x", "message"),
    [
        (BetaMixture(3), [0.1, 0.2], "wanted at least n_components=3, got 2"),
        (BetaMixture(1), [0.1, 1.5], r"wanted values in \[0, 1\], got 0.1 to 1.5"),
        (BetaMixture(1), [0.1, np.nan], "wanted finite numbers, got nan"),
        (BetaMixture(1), [], "wanted at least one value"),
        (BetaMixture(0), [0.1], "n_components: wanted at least 1, got 0"),
        (BetaMixture(1, tol=0), [0.1], "tol: wanted a number above 0"),
        (BetaMixture(1, m_step="newton"), [0.1], "m_step: wanted 'moments' or 'mle', got 'newton'"),
        (DirichletMixture(1), [[0.5, 0.6]], "wanted rows on the simplex"),
        (DirichletMixture(1), [[1.0]], "wanted at least 2 coefficients a row, got 1"),
    ],
)
def test_nonsense_is_refused(mixture, x, message):
    """When fitting, not when constructing, as in scikit-learn."""
    with pytest.raises(ValueError, match=message):
        mixture.fit(np.array(x))


def test_asking_before_fitting_is_refused():
    """With what to do."""
    with pytest.raises(ValueError, match="this BetaMixture is not fitted yet; call fit first"):
        BetaMixture().predict([0.5])


def test_bic_finds_the_number_of_clusters():
    """`auto` takes the lowest, here the planted three; for many models the Dirichlet does the same."""
    x, labels = planted_beta(3000)
    found = cluster_coefficients(np.column_stack([1 - x, x]), "auto", seed=0)
    assert len(found.weights) == 3
    assert adjusted_rand_score(labels, found.assignment) > 0.95
    y, other = planted_dirichlet(1500)
    assert adjusted_rand_score(other, cluster_coefficients(y, 2, seed=0).assignment) > 0.95


def test_clusters_of_two_models_have_the_betas_means():
    """Coefficients (1 − m, m), rows summing to one."""
    x, _ = planted_beta(500)
    found = cluster_coefficients(np.column_stack([1 - x, x]), 2, seed=1)
    mixture = BetaMixture(2, random_state=1).fit(x)
    np.testing.assert_allclose(found.coefficients, np.column_stack([1 - mixture.means_, mixture.means_]))


@pytest.mark.parametrize("seed", range(5))
def test_components_come_in_order_of_their_means(seed):
    """Whatever k-means happens to number first: the same components in the same places."""
    x, _ = planted_beta(2000)
    beta = BetaMixture(3, random_state=seed).fit(x)
    assert (np.diff(beta.means_) > 0).all()
    np.testing.assert_allclose(beta.means_, beta.alpha_ / (beta.alpha_ + beta.beta_))
    np.testing.assert_array_equal(beta.predict(np.array([0.05, 0.5, 0.95])), [0, 1, 2])
    y, _ = planted_dirichlet(2000)
    dirichlet = DirichletMixture(2, random_state=seed).fit(y)
    np.testing.assert_allclose(dirichlet.weights_, DirichletMixture(2, random_state=9).fit(y).weights_, rtol=1e-3)
    assert dirichlet.means_[0, 0] < dirichlet.means_[1, 0]


def test_components_of_equal_means_come_in_order_of_their_weights():
    """Two symmetric components, one narrow and frequent, one wide: the rarer first."""
    random = np.random.default_rng(0)
    x = np.concatenate([random.beta(400, 400, 4000), random.beta(3, 3, 2000)])
    x = np.concatenate([x, 1 - x])  # exactly symmetric: both means are one half
    mixture = BetaMixture(2, m_step="mle", random_state=0).fit(x)
    if np.ptp(np.round(mixture.means_, 9)) == 0:
        assert mixture.weights_[0] < mixture.weights_[1]
    else:
        assert mixture.means_[0] < mixture.means_[1]


def test_coefficients_near_a_vertex_are_clipped_once():
    """Clipping what was clipped changes nothing, so that fitting and scoring see the same samples."""
    x = [[1, 0, 0], [1 - 3e-7, 2e-7, 1e-7], [0.5, 0.5 - 1e-6, 1e-6], [0.2, 0.3, 0.5], [1 - 2e-6, 1.1e-6, 9e-7]]
    x = np.array(x)
    mixture = DirichletMixture(1).fit(np.vstack([x, np.random.default_rng(0).dirichlet([2, 3, 4], 50)]))
    once = mixture._check(x)
    np.testing.assert_array_equal(mixture._check(once), once)
    assert once.min() >= 1e-6
    np.testing.assert_allclose(once.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(once[3], x[3])
    np.testing.assert_allclose(mixture.score_samples(once), mixture.score_samples(x), rtol=1e-12)
