"""The loop that all mixtures share: monotone likelihood, responsibilities, seeds, subsets, and warnings."""

import warnings

import numpy as np
import pytest
from planted import beta_samples, dirichlet_samples

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.dirichlet_mixture import DirichletMixture
from tasks.numerics.expectation_maximization import ConvergenceWarning


@pytest.mark.parametrize(
    ("family", "samples"),
    [(BetaMixture, beta_samples), (DirichletMixture, dirichlet_samples)],
    ids=["beta", "dirichlet"],
)
def test_the_likelihood_never_falls_with_maximum_likelihood_steps(family, samples):
    """A run of one step more ends at a likelihood that is at least as high."""
    x, _ = samples(800)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the runs are cut short on purpose
        bounds = [
            family(3, m_step="mle", n_init=1, max_iter=steps, tol=1e-15, random_state=3).fit(x).lower_bound_
            for steps in range(1, 25)
        ]
    assert np.all(np.diff(bounds) >= -1e-12)
    assert bounds[-1] > bounds[0]


def test_responsibilities_sum_to_one_and_predict_takes_the_largest():
    """Each row of responsibilities sums to one, and the predicted component is that of the largest."""
    x, _ = beta_samples(300)
    mixture = BetaMixture(3, random_state=0).fit(x)
    responsibilities = mixture.predict_proba(x)
    np.testing.assert_allclose(responsibilities.sum(axis=1), 1)
    np.testing.assert_array_equal(responsibilities.argmax(axis=1), mixture.predict(x))


def test_the_seed_decides_and_the_global_random_state_is_untouched():
    """Equal seeds give equal fits, and numpy's global state is the same before and after."""
    x, _ = beta_samples(1000)
    before = np.random.get_state()[1].copy()
    first, second = (BetaMixture(4, random_state=7).fit(x) for _ in range(2))
    np.testing.assert_array_equal(first.alpha_, second.alpha_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_many_samples_start_on_a_subset_and_end_on_all(monkeypatch):
    """The lower bound is that of all samples, and close to the one of starts on all samples."""
    x, _ = beta_samples(5000)
    full = BetaMixture(3, random_state=0).fit(x)
    monkeypatch.setattr(BetaMixture, "start_samples", 1000)
    refined = BetaMixture(3, random_state=0).fit(x)
    assert refined.lower_bound_ == pytest.approx(full.lower_bound_, abs=1e-3)
    assert refined.lower_bound_ == pytest.approx(refined.score_samples(x).mean(), abs=1e-3)


def test_a_fit_that_does_not_converge_warns():
    """The warning has a class of its own and names the mixture; the attributes say the same."""
    with pytest.warns(ConvergenceWarning, match="BetaMixture did not converge to 1e-15 in 2 iterations"):
        mixture = BetaMixture(3, max_iter=2, tol=1e-15, random_state=0).fit(beta_samples(500)[0])
    assert (mixture.converged_, mixture.n_iter_) == (False, 2)


def test_a_prediction_before_the_fit_is_refused():
    """The message says that `fit` comes first."""
    with pytest.raises(ValueError, match="this BetaMixture is not fitted yet; call fit first"):
        BetaMixture().predict([0.5])
