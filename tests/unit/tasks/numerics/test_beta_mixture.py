"""Beta mixtures: planted components, closed forms, agreement with scipy, degenerate samples, refusals."""

import warnings

import numpy as np
import pytest
from planted import BETAS, beta_samples
from scipy.stats import beta as beta_distribution
from sklearn.metrics import adjusted_rand_score

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.expectation_maximization import ConvergenceWarning


@pytest.mark.parametrize("m_step", ["moments", "mle"])
def test_planted_components_are_recovered(m_step):
    """Parameters come within 10 % of the planted ones, and nearly all samples are assigned to theirs."""
    x, components = beta_samples(20_000)
    mixture = BetaMixture(3, m_step=m_step, random_state=0).fit(x)
    np.testing.assert_allclose(np.column_stack([mixture.alpha_, mixture.beta_]), BETAS, rtol=0.1)
    assert adjusted_rand_score(components, mixture.predict(x)) > 0.95
    assert mixture.converged_


def test_one_component_by_moments_is_the_closed_form():
    """With the samples' m and v, s = m(1 − m)/v − 1, α = s·m and β = s·(1 − m)."""
    x, _ = beta_samples(500)
    x = np.clip(x / 2 + 0.25, 0, 1)  # one hump, so that the variance stays below its cap
    mixture = BetaMixture(1).fit(x)
    m, v = x.mean(), min(x.var(), x.mean() * (1 - x.mean()) / 4)
    s = m * (1 - m) / v - 1
    np.testing.assert_allclose([mixture.alpha_[0], mixture.beta_[0]], [s * m, s * (1 - m)], rtol=1e-6)
    np.testing.assert_allclose(mixture.means_, m)


def test_the_variance_is_capped():
    """Samples at both ends would give α and β below 1; the cap v ≤ m(1 − m)/4 means α + β ≥ 3."""
    mixture = BetaMixture(1).fit(np.array([0.01, 0.99] * 20))
    assert mixture.alpha_[0] + mixture.beta_[0] == pytest.approx(3.0)


def test_one_component_by_likelihood_agrees_with_scipy():
    """The maximum-likelihood parameters are those that scipy's general optimiser finds."""
    x = np.random.default_rng(1).beta(2.5, 7.0, 4000)
    mixture = BetaMixture(1, m_step="mle", tol=1e-12).fit(x)
    a, b, _, _ = beta_distribution.fit(x, floc=0, fscale=1)
    np.testing.assert_allclose([mixture.alpha_[0], mixture.beta_[0]], [a, b], rtol=1e-4)


def test_log_densities_are_those_of_scipy():
    """Scores are log Σ_k w_k Beta(x; α_k, β_k), and the lower bound is their mean."""
    x, _ = beta_samples(300)
    mixture = BetaMixture(2, random_state=0).fit(x)
    parts = [
        w * beta_distribution.pdf(x, a, b)
        for w, a, b in zip(mixture.weights_, mixture.alpha_, mixture.beta_, strict=True)
    ]
    np.testing.assert_allclose(mixture.score_samples(x), np.log(np.sum(parts, axis=0)), rtol=1e-9)
    assert mixture.lower_bound_ == pytest.approx(mixture.score_samples(x).mean(), abs=1e-3)


@pytest.mark.parametrize("x", [[0.0, 1.0, 0.0, 1.0], [0.5] * 4, [0.3, 0.3, 0.3, 0.9], [1.0] * 4])
@pytest.mark.parametrize("m_step", ["moments", "mle"])
def test_degenerate_samples_give_finite_parameters(x, m_step):
    """Exact 0 and 1, equal samples, and fewer distinct values than components end in means that fit the samples."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a component that shrinks to a point may not converge
        mixture = BetaMixture(3, m_step=m_step, random_state=0, max_iter=50).fit(np.array(x))
    for learnt in (mixture.alpha_, mixture.beta_, mixture.means_, mixture.weights_):
        assert np.all(np.isfinite(learnt))
    assert np.all(np.isfinite(mixture.predict_proba(np.array(x))))
    np.testing.assert_allclose(mixture.means_[mixture.predict(np.array(x))], x, atol=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_components_come_in_order_of_their_means(seed):
    """Whatever numbers k-means gives them, the same components stand in the same places."""
    x, _ = beta_samples(2000)
    mixture = BetaMixture(3, random_state=seed).fit(x)
    assert (np.diff(mixture.means_) > 0).all()
    np.testing.assert_allclose(mixture.means_, mixture.alpha_ / (mixture.alpha_ + mixture.beta_))
    np.testing.assert_array_equal(mixture.predict(np.array([0.05, 0.5, 0.95])), [0, 1, 2])


def test_components_of_equal_means_come_in_order_of_their_weights():
    """Equal samples give two components of one mean, 4 samples to 1 by the start, and the rarer comes first."""
    mixture = BetaMixture(2, random_state=0).fit(np.full(4, 0.5))
    np.testing.assert_allclose(mixture.means_, 0.5)
    np.testing.assert_allclose(mixture.weights_, [0.2, 0.8])


@pytest.mark.parametrize(
    ("mixture", "x", "message"),
    [
        (BetaMixture(3), [0.1, 0.2], "wanted at least n_components=3, got 2"),
        (BetaMixture(1), [0.1, 1.5], r"wanted values in \[0, 1\], got 1.5 at sample 1"),
        (BetaMixture(1), [0.1, np.nan], "wanted finite numbers, got nan"),
        (BetaMixture(1), [], "wanted at least one value"),
        (BetaMixture(0), [0.1], "n_components: wanted at least 1, got 0"),
        (BetaMixture(1, tol=0), [0.1], "tol: wanted a number above 0"),
        (BetaMixture(1, m_step="newton"), [0.1], "m_step: wanted 'moments' or 'mle', got 'newton'"),
    ],
)
def test_wrong_settings_and_samples_are_refused_by_fit(mixture, x, message):
    """The constructor stores its arguments as they are, as in scikit-learn, and `fit` refuses them by name."""
    with pytest.raises(ValueError, match=message):
        mixture.fit(np.array(x))
