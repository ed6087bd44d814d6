"""Fits of samples in pieces: equal to fits of one array bit for bit, in bounded memory, with wrong samples named."""

import tracemalloc
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from planted import beta_samples, dirichlet_samples

from tasks.numerics.beta_mixture import BetaMixture
from tasks.numerics.bins import bin_coefficients, find_bins
from tasks.numerics.clustering import assign, cluster_coefficients, find_clusters
from tasks.numerics.dirichlet_mixture import DirichletMixture
from tasks.numerics.expectation_maximization import ConvergenceWarning
from tasks.numerics.expertise import interpolation_coefficients
from tasks.numerics.offset import offset_of

SAMPLES = 40_000
TUNED = beta_samples(SAMPLES)[0]
ROWS = {
    2: np.column_stack([1 - TUNED, TUNED]),
    3: np.random.default_rng(1).dirichlet([0.4, 1, 2], SAMPLES),
    4: dirichlet_samples(SAMPLES)[0],
}
CUTS = st.lists(st.integers(0, SAMPLES), max_size=5)


@pytest.fixture(autouse=True)
def _few_starts(monkeypatch):
    """The starts compete on 4,000 samples, so that iterations on all samples follow."""
    for family in (BetaMixture, DirichletMixture):
        monkeypatch.setattr(family, "start_samples", 4000)


@pytest.mark.parametrize("models", [2, 4])
@pytest.mark.parametrize("m_step", ["moments", "mle"])
def test_clusters_do_not_depend_on_the_cut(models, m_step):
    """Two cuts of the samples, and one array, give equal components, likelihoods, criteria and counts."""
    whole = cluster_coefficients(ROWS[models], 2, seed=3, m_step=m_step)
    for borders in ([1, 16_384, 30_000], range(977, SAMPLES, 977)):
        found = find_clusters(np.split(ROWS[models], borders), 2, seed=3, m_step=m_step)
        for ours, theirs in zip(found, whole.clusters, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(found.samples, np.bincount(whole.assignment))
    again = assign(found.weights, found.concentration, ROWS[models])
    np.testing.assert_array_equal(again.responsibilities, whole.responsibilities)


def test_the_number_of_clusters_by_bic_does_not_depend_on_the_cut():
    """`auto` tries all numbers on pieces, and finds what it finds on one array."""
    rows = ROWS[2][:20_000]
    whole, cut = (find_clusters(arrays, "auto", seed=0) for arrays in ([rows], np.split(rows, [5, 15_000])))
    assert len(cut.weights) == 3
    np.testing.assert_array_equal(cut.concentration, whole.concentration)
    assert cut.bic == whole.bic == pytest.approx(BetaMixture(3, random_state=0).fit(rows[:, 1]).bic(rows[:, 1]))


@settings(deadline=None, max_examples=10)
@given(CUTS, st.sampled_from([2, 3, 4]), st.integers(1, 40))
def test_bins_do_not_depend_on_the_cut(cuts, models, bins):
    """The means of the bins are equal to the last bit, and each sample has the same bin."""
    whole = bin_coefficients(ROWS[models], bins, seed=5)
    found = find_bins(np.split(ROWS[models], sorted(cuts)), bins, seed=5)
    np.testing.assert_array_equal(found.coefficients, whole.coefficients)
    np.testing.assert_array_equal(found.assign(ROWS[models][:16_384]), whole.assignment[:16_384])


def test_centres_of_many_samples_are_those_of_one_array(monkeypatch):
    """Above the limit of k-means, a subset by number gives the centres, wherever the samples are cut."""
    monkeypatch.setattr("tasks.numerics.bins._KMEANS", 500)
    whole = find_bins([ROWS[3]], 9, seed=5)
    found = find_bins(np.split(ROWS[3], [3, 17_000]), 9, seed=5)
    np.testing.assert_array_equal(found.coefficients, whole.coefficients)
    assert len(found.coefficients) == 9


@settings(deadline=None, max_examples=20)
@given(CUTS)
def test_the_offset_does_not_depend_on_the_cut(cuts):
    """Parts of a data set with its offset have the coefficients that the whole data set has."""
    entropies = np.random.default_rng(4).gamma(1, 1, (SAMPLES, 2))
    offset = offset_of(np.split(entropies, sorted(cuts)))
    found = [
        interpolation_coefficients(*part.T, offset=offset) for part in np.split(entropies, 3_999 * np.arange(10))[1:]
    ]
    np.testing.assert_array_equal(np.concatenate(found), interpolation_coefficients(*entropies.T))


def test_the_offset_of_many_groups_is_that_of_numpy():
    """Joined groups of 131,072 samples have the mean and the deviation of all samples to 1e-12."""
    entropies = np.random.default_rng(4).gamma([1, 3], 1, (300_000, 2))
    mean, deviation = entropies.mean(axis=0), entropies.std(axis=0, ddof=1)
    wanted = (deviation / mean).sum() / 2, mean.sum() / mean[0]
    np.testing.assert_allclose(offset_of([entropies]), wanted, rtol=1e-12)


class Drawn:
    """Samples that exist one array at a time, drawn anew at each pass."""

    def __init__(self, count, models, wrong=None):
        self.count, self.models, self.wrong = count, models, wrong

    def __iter__(self):
        for start in range(0, self.count, 50_000):
            random = np.random.default_rng(start)
            rows = np.repeat(random.dirichlet([2.0, *[1.0] * (self.models - 1)], 5000), 10, axis=0)
            if self.wrong is not None and start <= self.wrong < start + 50_000:
                rows[self.wrong - start] = np.nan
            yield rows


@pytest.mark.parametrize("models", [2, 3])
def test_two_million_samples_take_the_memory_of_few(models, monkeypatch):
    """Clusters and bins of 2,000,000 samples hold at most 40 MiB at a time, less than the samples and their statistics.

    Two models' samples alone have 32 MB, with statistics 96 MB; three models' 48 MB, with statistics 192 MB.
    """
    monkeypatch.undo()
    drawn = Drawn(2_000_000, models)
    find_clusters(Drawn(50_000, models), 1, seed=0)  # loads the libraries
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found, bins = find_clusters(drawn, 2, seed=0), find_bins(drawn, 16, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.samples.sum() == 2_000_000
    assert len(bins.coefficients) == 16
    assert peak < 40 << 20


def test_a_wrong_sample_of_a_late_piece_is_named():
    """The message holds the sample's number in the whole data set, for every fit."""
    drawn = Drawn(200_000, 2, wrong=123_456)
    for fit in (lambda: find_clusters(drawn, 2), lambda: find_bins(drawn, 2), lambda: offset_of(drawn)):
        with pytest.raises(ValueError, match="wanted finite numbers, got nan at sample 123,456"):
            fit()
    late = [np.full(20_000, 0.5), np.array([0.5, 1.5])]
    with pytest.raises(ValueError, match=r"samples: wanted values in \[0, 1\], got 1.5 at sample 20,001"):
        BetaMixture(1).fit_pieces(late)
    late = [np.full((20_000, 3), 1 / 3), np.array([[0.5, 0.5, 0.5]])]
    with pytest.raises(ValueError, match=r"samples: wanted rows on the simplex .* at sample 20,000"):
        DirichletMixture(1).fit_pieces(late)
    with pytest.raises(ValueError, match=r"entropies: wanted values of at least 0, got -1.0 at sample 2"):
        offset_of([np.ones((2, 2)), -np.ones((1, 2))])


def test_no_samples_and_generators_are_refused():
    """An empty source has nothing to fit, and a generator can be read once only."""
    with pytest.raises(ValueError, match="samples: wanted at least one value, got none"):
        BetaMixture(1).fit_pieces([])
    with pytest.raises(ValueError, match=r"samples: wanted pieces that can be read several times, .* got generator"):
        BetaMixture(1).fit_pieces(np.array([0.5]) for _ in range(3))
