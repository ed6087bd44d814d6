"""Entropy, expertise, scoring, accuracy, ensembles: known values with the arithmetic beside them, laws, refusals."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.numerics.accuracy import top_k
from tasks.numerics.ensemble import mix_predictions
from tasks.numerics.entropy import log_probabilities, softmax_entropy
from tasks.numerics.expertise import (
    interpolation_coefficients,
    model_coefficients,
    select_surest,
    simplex_coefficients,
)
from tasks.numerics.scoring import score

LN2 = np.log(2)
entropies = arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 8))


def test_entropy_of_known_distributions():
    """Four equal classes: ln 4. One sure class: 0. Halves: ln 2."""
    logits = np.array([[0, 0, 0, 0], [1000, 0, 0, 0], [0, 0, -1000, -1000]], dtype=np.float32)
    np.testing.assert_allclose(softmax_entropy(logits), [np.log(4), 0, LN2], atol=1e-12)


def test_entropy_at_a_temperature():
    """Logits (ln 9, 0) at T = 2 are (ln 3, 0): shares ¾ and ¼, H = ln 4 − ¾ ln 3."""
    assert softmax_entropy([[np.log(9), 0]], 2.0)[0] == pytest.approx(np.log(4) - 0.75 * np.log(3), abs=1e-12)


@given(arrays(np.float64, (5, 7), elements=st.floats(-300, 300)), st.floats(-1e3, 1e3), st.floats(0.1, 10))
def test_entropy_lies_between_its_bounds_and_ignores_a_shift(logits, shift, temperature):
    """Never below 0, never above ln(classes); adding a constant to all logits changes nothing."""
    values = softmax_entropy(logits, temperature)
    assert values.min() >= 0
    assert values.max() <= np.log(7) + 1e-12
    np.testing.assert_allclose(softmax_entropy(logits + shift, temperature), values, atol=1e-8)


@pytest.mark.parametrize(
    ("logits", "temperature", "message"),
    [
        ([[1.0, np.nan]], 1.0, "logits: wanted finite numbers, got nan at flat index 1"),
        ([1.0, 2.0], 1.0, r"logits: wanted 2 dimension\(s\), got shape \(2,\)"),
        (np.zeros((0, 3)), 1.0, r"logits: wanted at least one value, got shape \(0, 3\)"),
        ([[1.0, 2.0]], 0.0, "temperature: wanted a number above 0, got 0.0"),
        ([[1.0, 2.0]], float("nan"), "temperature: wanted a number above 0, got nan"),
    ],
)
def test_entropy_of_nonsense_is_refused(logits, temperature, message):
    """Empty or non-finite input is an error, never a score."""
    with pytest.raises(ValueError, match=message):
        softmax_entropy(logits, temperature)


def test_entropy_ratio_without_offset():
    """H₀ = ln 3, H₁ = 0: expertise ⅓ and 1, so λ = 1 / (⅓ + 1) = ¾."""
    assert interpolation_coefficients([np.log(3)], [0.0], offset=False)[0] == pytest.approx(0.75)


def test_entropy_ratio_with_offset():
    """Worked by hand for H₀ = (ln 2, ln 4), H₁ = (ln 2, 0).

    μ₀ = 1.5 ln 2, μ₁ = 0.5 ln 2; unbiased σ₀ = σ₁ = ln 2 / √2, so σ/μ is √2/3 and √2, b = ½ (√2/3 + √2) = 2√2/3,
    and w = 2 ln 2 / 1.5 ln 2 = 4/3, b/w = √2/2.
    """
    b, share = 2 * np.sqrt(2) / 3, np.sqrt(2) / 2
    expected = [(0.5 + share) / (0.5 + 0.5 + b), (1 + share) / (0.25 + 1 + b)]
    np.testing.assert_allclose(interpolation_coefficients([LN2, 2 * LN2], [LN2, 0.0]), expected, rtol=1e-12)


@given(entropies, st.integers(0, 2**32 - 1))
def test_swapping_the_models_maps_to_one_minus(base, seed):
    """Without offset the two models are treated alike."""
    tuned = np.random.default_rng(seed).uniform(0, 8, base.size)
    ours, theirs = (interpolation_coefficients(*pair, offset=False) for pair in ((base, tuned), (tuned, base)))
    np.testing.assert_allclose(ours, 1 - theirs, atol=1e-12)


@given(entropies, st.integers(0, 2**32 - 1), st.booleans())
def test_coefficients_are_shares(base, seed, offset):
    """Rows on the simplex, for two models and for three, whatever the entropies."""
    random = np.random.default_rng(seed)
    for models in (2, 3):
        values = np.column_stack([base, *random.uniform(0, 2000, (models - 1, base.size))])
        rows = model_coefficients(values, offset=offset)
        assert rows.min() >= 0
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-12)


def test_many_models_share_by_softmax():
    """H = (0, ln 2, ln 2): expertise 1, ½, ½, so shares ½, ¼, ¼; two models agree with the entropy ratio."""
    np.testing.assert_allclose(simplex_coefficients([[0, LN2, LN2]]), [[0.5, 0.25, 0.25]])
    pair = np.random.default_rng(0).uniform(0, 3, (9, 2))
    np.testing.assert_allclose(simplex_coefficients(pair), model_coefficients(pair, offset=False))


def test_two_models_that_are_always_sure_share_alike():
    """No entropy at all: no division by zero, λ = ½."""
    np.testing.assert_allclose(interpolation_coefficients([0.0, 0.0], [0.0, 0.0]), 0.5)


def test_a_base_that_is_always_sure_takes_part():
    """μ₀ = 0 makes w infinite: the offset goes to the base alone, and nothing is NaN."""
    values = interpolation_coefficients([0.0, 0.0], [1.0, 2.0])
    assert np.all((values > 0) & (values < 0.5))


@pytest.mark.parametrize(
    ("base", "tuned", "message"),
    [
        ([1.0], [1.0, 2.0], "got 1 base and 2 tuned"),
        ([1.0], [1.0], "offset: wanted at least 2 samples"),
        ([-1.0, 0.0], [1.0, 1.0], "entropy_base: wanted values of at least 0, got -1.0"),
        ([1.0, np.inf], [1.0, 1.0], "entropy_base: wanted finite numbers, got inf"),
    ],
)
def test_coefficients_of_nonsense_are_refused(base, tuned, message):
    """Each message says which argument and what was wrong with it."""
    with pytest.raises(ValueError, match=message):
        interpolation_coefficients(base, tuned)
    with pytest.raises(ValueError, match=r"got -2\.0"):
        simplex_coefficients([[1.0, -2.0]])


def test_the_surest_model_takes_all():
    """Lowest entropy wins, the earlier model on a tie."""
    np.testing.assert_array_equal(select_surest([[1, 0.5, 2], [1, 1, 2]]), [[0, 1, 0], [1, 0, 0]])


def test_scores_of_a_batch():
    """Rank counts the classes above the label; ties go to the lower class number, as in argmax."""
    log_p = log_probabilities(np.log([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25], [0.4, 0.4, 0.2]]))
    scores = score(log_p, np.array([1, 0, 1], np.int32))
    np.testing.assert_array_equal(scores.prediction, [0, 1, 0])
    np.testing.assert_array_equal(scores.label_rank, [1, 1, 1])
    np.testing.assert_allclose(scores.loss, -np.log([0.3, 0.25, 0.4]))


@given(arrays(np.float64, (6, 4), elements=st.sampled_from([-1.0, 0.0, 1.0])), st.integers(0, 3))
def test_rank_zero_is_the_same_as_a_right_prediction(logits, label):
    """Also with ties."""
    scores = score(log_probabilities(logits), np.full(6, label, np.int32))
    np.testing.assert_array_equal(scores.label_rank == 0, scores.prediction == label)


def test_samples_without_label_have_no_rank():
    """Rank −1 and a loss that is not a number."""
    scores = score(log_probabilities([[1.0, 2.0]]), np.array([-1], np.int32))
    assert (scores.label_rank[0], scores.prediction[0]) == (-1, 1)
    assert np.isnan(scores.loss[0])


def test_accuracy_with_wilsons_interval():
    """8 of 10: Wilson's 95 % interval is 0.4902 to 0.9433 (z = 1.96; centre 0.7168, half width 0.2266)."""
    estimate = top_k(np.array([0] * 8 + [1, 5], np.int32), 1)
    assert estimate.value == 0.8
    assert (estimate.low, estimate.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert top_k(np.array([0, 4, 5], np.int32), 5).value == pytest.approx(2 / 3)


@given(arrays(np.int32, st.integers(1, 50), elements=st.integers(0, 9)))
def test_accuracy_stays_in_its_interval_and_grows_with_k(ranks):
    """And the interval in [0, 1]."""
    estimates = [top_k(ranks, k) for k in (1, 5)]
    for value, low, high, samples in estimates:
        assert 0 <= low <= value + 1e-12
        assert value - 1e-12 <= high <= 1
        assert samples == ranks.size
    assert estimates[0].value <= estimates[1].value


@pytest.mark.parametrize(
    ("ranks", "k", "message"),
    [([], 1, "wanted at least one sample, got none"), ([0, -1], 1, "1 have none"), ([0], 0, "k: wanted at least 1")],
)
def test_accuracy_of_nothing_is_refused(ranks, k, message):
    """An empty input scores nothing, not 0."""
    with pytest.raises(ValueError, match=message):
        top_k(np.array(ranks, np.int32), k)


def test_ensembles_mix_probabilities():
    """¼ (0.8, 0.2) + ¾ (0.4, 0.6) = (0.5, 0.5)."""
    log_p = [np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])]
    np.testing.assert_allclose(np.exp(mix_predictions(log_p, np.array([0.25, 0.75]))), [[0.5, 0.5]])
    np.testing.assert_allclose(mix_predictions(log_p, np.array([[1.0, 0.0]])), log_p[0])
    with pytest.raises(ValueError, match="wanted rows of 2 shares that sum to one"):
        mix_predictions(log_p, np.array([0.5, 0.6]))


def test_the_mathematics_needs_neither_prefect_nor_torch():
    """Importing it is quick, and it can be used without either."""
    names = "accuracy beta_mixture clustering dirichlet_mixture ensemble entropy expertise scoring"
    code = f"import sys\nfor n in {names.split()}: __import__('tasks.numerics.' + n)\n"
    code += "print([m for m in ('prefect', 'torch', 'storage') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
