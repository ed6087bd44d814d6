"""Coefficients from entropies: known values with the arithmetic beside them, laws, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.numerics.expertise import (
    interpolation_coefficients,
    model_coefficients,
    select_surest,
    simplex_coefficients,
    task_vector_coefficients,
)

LN2 = np.log(2)
entropies = arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 8))


def test_the_entropy_ratio_without_offset():
    """H₀ = ln 3 and H₁ = 0 are expertise ⅓ and 1, so λ = 1 / (⅓ + 1) = ¾."""
    assert interpolation_coefficients([np.log(3)], [0.0], offset=False)[0] == pytest.approx(0.75)


def test_the_entropy_ratio_with_offset():
    """The offset agrees with arithmetic by hand for H₀ = (ln 2, ln 4), H₁ = (ln 2, 0).

    μ₀ = 1.5 ln 2, μ₁ = 0.5 ln 2; unbiased σ₀ = σ₁ = ln 2 / √2, so σ/μ is √2/3 and √2, b = ½ (√2/3 + √2) = 2√2/3,
    and w = 2 ln 2 / 1.5 ln 2 = 4/3, b/w = √2/2.
    """
    b, part = 2 * np.sqrt(2) / 3, np.sqrt(2) / 2
    expected = [(0.5 + part) / (0.5 + 0.5 + b), (1 + part) / (0.25 + 1 + b)]
    np.testing.assert_allclose(interpolation_coefficients([LN2, 2 * LN2], [LN2, 0.0]), expected, rtol=1e-12)


@given(entropies, st.integers(0, 2**32 - 1))
def test_swapping_the_models_maps_lambda_to_its_complement(base, seed):
    """Without offset the two models are treated alike, so that swapping them gives 1 − λ."""
    tuned = np.random.default_rng(seed).uniform(0, 8, base.size)
    ours, theirs = (interpolation_coefficients(*pair, offset=False) for pair in ((base, tuned), (tuned, base)))
    np.testing.assert_allclose(ours, 1 - theirs, atol=1e-12)


@given(entropies, st.integers(0, 2**32 - 1), st.booleans())
def test_coefficients_lie_on_the_simplex(base, seed, offset):
    """For two models and for three, whatever the entropies, coefficients are at least 0 and sum to one."""
    random = np.random.default_rng(seed)
    for models in (2, 3):
        values = np.column_stack([base, *random.uniform(0, 2000, (models - 1, base.size))])
        coefficients = model_coefficients(values, offset=offset)
        assert coefficients.min() >= 0
        np.testing.assert_allclose(coefficients.sum(axis=1), 1, atol=1e-12)


def test_coefficients_of_many_models_are_their_softmax():
    """H = (0, ln 2, ln 2) is expertise 1, ½, ½, so π = ½, ¼, ¼; two models agree with the entropy ratio."""
    np.testing.assert_allclose(simplex_coefficients([[0, LN2, LN2]]), [[0.5, 0.25, 0.25]])
    pair = np.random.default_rng(0).uniform(0, 3, (9, 2))
    np.testing.assert_allclose(simplex_coefficients(pair), model_coefficients(pair, offset=False))


def test_two_models_that_are_always_certain_have_equal_coefficients():
    """Entropies of 0 everywhere divide nothing by zero, and give λ = ½."""
    np.testing.assert_allclose(interpolation_coefficients([0.0, 0.0], [0.0, 0.0]), 0.5)


def test_a_base_that_is_always_certain_gets_the_whole_offset():
    """μ₀ = 0 makes w infinite: the offset goes to the base alone, and no coefficient is NaN."""
    values = interpolation_coefficients([0.0, 0.0], [1.0, 2.0])
    assert np.all((values > 0) & (values < 0.5))


def test_task_vectors_of_equal_coefficients_are_task_arithmetic():
    """Three models of π_t = ⅓ at scale 0.3 have c_t = 0.3 each, and the base has 1 − 3 · 0.3 = 0.1."""
    np.testing.assert_allclose(task_vector_coefficients([[1 / 3] * 3], 0.3), [[0.1, 0.3, 0.3, 0.3]])


@given(st.floats(-3, 3), st.integers(1, 5))
def test_coefficients_of_task_vectors_sum_to_one(scale, models):
    """At any scale the coefficients of the base and the models sum to one, which per-sample merging relies on."""
    coefficients = np.random.default_rng(0).dirichlet(np.ones(models), 6)
    np.testing.assert_allclose(task_vector_coefficients(coefficients, scale).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("base", "tuned", "message"),
    [
        ([1.0], [1.0, 2.0], "got 1 base and 2 tuned"),
        ([1.0], [1.0], "offset: wanted at least 2 samples"),
        ([-1.0, 0.0], [1.0, 1.0], "entropy_base: wanted values of at least 0, got -1.0"),
        ([1.0, np.inf], [1.0, 1.0], "entropy_base: wanted finite numbers, got inf"),
    ],
)
def test_values_that_are_not_entropies_are_refused(base, tuned, message):
    """The message says which argument is wrong, and what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        interpolation_coefficients(base, tuned)


def test_negative_entropies_of_many_models_are_refused():
    """The message names the lowest value."""
    with pytest.raises(ValueError, match=r"entropies: wanted values of at least 0, got -2\.0"):
        simplex_coefficients([[1.0, -2.0]])


def test_the_surest_model_has_coefficient_one():
    """The model of lowest entropy is selected, and the earlier model on a tie."""
    np.testing.assert_array_equal(select_surest([[1, 0.5, 2], [1, 1, 2]]), [[0, 1, 0], [1, 0, 0]])
