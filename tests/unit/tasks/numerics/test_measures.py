"""Expertise measures: cases worked out by hand, the laws that all of them obey, and random coefficients."""

import numpy as np
import pytest
from scipy.special import log_softmax

from tasks.numerics.expertise import interpolation_coefficients
from tasks.numerics.measures import (
    MEASURES,
    WITH_JUDGE,
    WITH_OFFSET,
    ModelOutputs,
    measured_coefficients,
    random_coefficients,
)

# one sample, two classes: the first model's probabilities are 0.8 and 0.2, the second model's 0.4 and 0.6
LOG_P = [np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])]
JUDGE = np.log([[0.1, 0.9]])


def outputs_of(log_p=LOG_P, judge=JUDGE):
    return ModelOutputs(logits=[values + 3.0 for values in log_p], log_p=log_p, judge=judge)


def random_outputs(models=2, seed=0):
    random = np.random.default_rng(seed)
    log_p = [log_softmax(3 * random.normal(size=(50, 6)), axis=1) for _ in range(models)]
    return outputs_of(log_p, log_softmax(random.normal(size=(50, 6)), axis=1))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("entropy", [0.8 * np.log(0.8) + 0.2 * np.log(0.2), 0.4 * np.log(0.4) + 0.6 * np.log(0.6)]),
        ("loss", [0.6 * np.log(0.8) + 0.4 * np.log(0.2), 0.6 * np.log(0.4) + 0.4 * np.log(0.6)]),
        ("loss-hard", [np.log(0.8), np.log(0.4)]),
        ("loss-merged", [0.1 * np.log(0.8) + 0.9 * np.log(0.2), 0.1 * np.log(0.4) + 0.9 * np.log(0.6)]),
        ("loss-merged-hard", [np.log(0.2), np.log(0.6)]),
        ("max-logit", [np.log(np.log(0.8) + 3), np.log(np.log(0.6) + 3)]),
        ("confidence", [0.8, 0.6]),
        ("margin", [0.6, 0.2]),
    ],
)
def test_a_measure_has_the_scores_worked_out_by_hand(name, wanted):
    """The output ensemble predicts 0.6 and 0.4, the judge 0.1 and 0.9."""
    np.testing.assert_allclose(MEASURES[name](outputs_of()), [wanted], rtol=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_swapping_two_models_maps_lambda_to_its_complement(name):
    """Without offset, every measure treats the two models alike."""
    one = random_outputs()
    other = one._replace(logits=one.logits[::-1], log_p=one.log_p[::-1])
    first, second = (measured_coefficients(MEASURES[name](each), offset=False) for each in (one, other))
    np.testing.assert_allclose(first[:, 1], 1 - second[:, 1], rtol=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_each_model_is_measured_by_its_own_outputs(name):
    """Another prediction of one model changes the scores of that model, and coefficients still sum to one."""
    one = random_outputs(3)
    changed = [*one.log_p[:2], log_softmax(9 * one.log_p[2], axis=1)]
    other = one._replace(log_p=changed, logits=[values + 3.0 for values in changed])
    assert not np.allclose(MEASURES[name](one)[:, 2], MEASURES[name](other)[:, 2])
    coefficients = measured_coefficients(MEASURES[name](one), offset=False)
    np.testing.assert_allclose(coefficients.sum(1), 1)


def test_the_offset_of_a_loss_is_the_offset_of_its_negative_as_entropy():
    """Measures that are minus an entropy have the offset of `interpolation_coefficients`, and no others have one."""
    assert set(WITH_OFFSET) == {name for name in MEASURES if name.startswith(("entropy", "loss"))}
    scores = MEASURES["loss"](random_outputs())
    wanted = interpolation_coefficients(-scores[:, 0], -scores[:, 1])
    np.testing.assert_allclose(measured_coefficients(scores, offset=True)[:, 1], wanted)


@pytest.mark.parametrize("name", WITH_JUDGE)
def test_a_measure_that_needs_a_judge_is_refused_without_one(name):
    """The output ensemble never takes the place of a judge that is missing."""
    with pytest.raises(ValueError, match="wanted the predictions of a merged model"):
        MEASURES[name](outputs_of(judge=None))


def test_the_margin_of_a_single_class_is_its_confidence():
    """With one class no second probability exists, and the margin is the probability 1 itself."""
    one_class = outputs_of([np.zeros((2, 1)), np.zeros((2, 1))])
    np.testing.assert_array_equal(MEASURES["margin"](one_class), np.ones((2, 2)))


def test_uniform_random_coefficients_are_seeded_and_on_the_simplex():
    """Rows sum to one, each model's mean is 1/M, and the same seed draws the same rows."""
    drawn = random_coefficients("uniform", 20_000, 4, [1, 2])
    np.testing.assert_allclose(drawn.sum(1), 1)
    np.testing.assert_allclose(drawn.mean(0), 0.25, atol=0.01)
    np.testing.assert_array_equal(drawn, random_coefficients("uniform", 20_000, 4, [1, 2]))


@pytest.mark.parametrize(("kind", "mean"), [("gaussian-0.5", 0.5), ("gaussian-0.8", 0.8)])
def test_normal_random_coefficients_have_their_mean_and_are_clamped(kind, mean):
    """The tuned model's coefficient has the published mean and stays in [0.01, 0.99]."""
    tuned = random_coefficients(kind, 20_000, 2, [3])[:, 1]
    assert tuned.mean() == pytest.approx(mean, abs=0.01)
    assert tuned.min() >= 0.01
    assert tuned.max() <= 0.99


def test_normal_random_coefficients_of_three_models_are_refused():
    """The normal distributions are defined for two models only."""
    with pytest.raises(ValueError, match="wanted 2 models, got 3"):
        random_coefficients("gaussian-0.5", 5, 3, [1])
