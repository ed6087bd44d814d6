"""Expertise measures: against cases worked by hand, and what all of them have in common."""

import numpy as np
import pytest
from scipy.special import log_softmax

from tasks.numerics.expertise import interpolation_coefficients
from tasks.numerics.measures import MEASURES, WITH_JUDGE, WITH_OFFSET, Said, measured_coefficients, random_coefficients

# one sample, two classes: the first model says 0.8 and 0.2, the second 0.4 and 0.6
LOG_P = [np.log([[0.8, 0.2]]), np.log([[0.4, 0.6]])]
JUDGE = np.log([[0.1, 0.9]])


def said(log_p=LOG_P, judge=JUDGE):
    return Said(logits=[values + 3.0 for values in log_p], log_p=log_p, judge=judge)


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
def test_each_measure_by_hand(name, wanted):
    """The ensemble says 0.6 and 0.4; the merged model 0.1 and 0.9."""
    np.testing.assert_allclose(MEASURES[name](said()), [wanted], rtol=1e-12)


def many(models=2, seed=0):
    random = np.random.default_rng(seed)
    log_p = [log_softmax(3 * random.normal(size=(50, 6)), axis=1) for _ in range(models)]
    return said(log_p, log_softmax(random.normal(size=(50, 6)), axis=1))


@pytest.mark.parametrize("name", MEASURES)
def test_swapping_two_models_maps_lambda_to_its_complement(name):
    """Without offset."""
    one = many()
    other = one._replace(logits=one.logits[::-1], log_p=one.log_p[::-1])
    first, second = (measured_coefficients(MEASURES[name](each), offset=False) for each in (one, other))
    np.testing.assert_allclose(first[:, 1], 1 - second[:, 1], rtol=1e-9)


@pytest.mark.parametrize("name", MEASURES)
def test_each_model_is_measured_by_what_it_says_itself(name):
    """Another prediction of one model moves its own share; with the release's fault it would not."""
    one = many(3)
    changed = [*one.log_p[:2], log_softmax(9 * one.log_p[2], axis=1)]
    other = one._replace(log_p=changed, logits=[values + 3.0 for values in changed])
    assert not np.allclose(MEASURES[name](one)[:, 2], MEASURES[name](other)[:, 2])
    rows = measured_coefficients(MEASURES[name](one), offset=False)
    np.testing.assert_allclose(rows.sum(1), 1)


def test_the_offset_is_that_of_entropies():
    """For any uncertainty."""
    assert set(WITH_OFFSET) == {"oracle", *(name for name in MEASURES if name.startswith(("entropy", "loss")))}
    scores = MEASURES["loss"](many())
    wanted = interpolation_coefficients(-scores[:, 0], -scores[:, 1])
    np.testing.assert_allclose(measured_coefficients(scores, offset=True)[:, 1], wanted)


@pytest.mark.parametrize("name", WITH_JUDGE)
def test_a_judge_has_to_be_there(name):
    """Never the ensemble in its place."""
    with pytest.raises(ValueError, match="wanted the predictions of a merged model"):
        MEASURES[name](said(judge=None))


def test_random_coefficients_are_seeded_and_on_the_simplex():
    """What was published: uniform, and two clamped normal distributions."""
    drawn = random_coefficients("uniform", 20_000, 4, [1, 2])
    np.testing.assert_allclose(drawn.sum(1), 1)
    np.testing.assert_allclose(drawn.mean(0), 0.25, atol=0.01)
    np.testing.assert_array_equal(drawn, random_coefficients("uniform", 20_000, 4, [1, 2]))
    for kind, mean in (("gaussian-0.5", 0.5), ("gaussian-0.8", 0.8)):
        tuned = random_coefficients(kind, 20_000, 2, [3])[:, 1]
        assert tuned.mean() == pytest.approx(mean, abs=0.01)
        assert (tuned.min() >= 0.01, tuned.max() <= 0.99) == (True, True)
    with pytest.raises(ValueError, match="wanted 2 models, got 3"):
        random_coefficients("gaussian-0.5", 5, 3, [1])
