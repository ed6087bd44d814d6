"""The risk-coverage curve and the AUROC of confidence: scikit-learn's values, a plain loop, ties and laws."""

from itertools import permutations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scored_samples import CLASSES, EXAMPLES, columns_of
from sklearn.metrics import accuracy_score, roc_auc_score

from tasks.numerics.metrics.selective_prediction import AURC, AUROC


def confident(confidence, right):
    """Return the columns of samples of given confidences, right or wrong."""
    return {"confidence": np.array(confidence, float), "label_rank": 1 - np.array(right, np.int32)}


def area_of(columns, order):
    """Return the mean over k of scikit-learn's error among the first k samples of an order."""
    right = (columns["label_rank"] == 0)[list(order)]
    return np.mean([1 - accuracy_score(right[:k], np.ones(k, bool)) for k in range(1, len(right) + 1)])


@pytest.mark.parametrize("name", EXAMPLES)
def test_auroc_is_scikit_learns(name):
    """It equals `roc_auc_score` to 1e-9, and is undefined where all samples are right or all wrong."""
    columns = columns_of(*EXAMPLES[name])
    right = columns["label_rank"] == 0
    wanted = roc_auc_score(right, columns["confidence"]) if 0 < right.sum() < len(right) else np.nan
    value = AUROC.value(columns, CLASSES)
    assert (np.nan if value is None else value) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "ties" not in name])
def test_aurc_is_the_mean_of_the_errors_at_every_coverage(name):
    """Without ties it equals a loop over the thresholds with scikit-learn's accuracy to 1e-9."""
    columns = columns_of(*EXAMPLES[name])
    assert AURC.value(columns, CLASSES) == pytest.approx(area_of(columns, np.argsort(-columns["confidence"])), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.9]), st.booleans()), min_size=1, max_size=5))
def test_aurc_with_ties_is_the_mean_over_the_orders_of_tied_samples(samples):
    """It equals the mean of the areas of all orders with descending confidence."""
    columns = confident(*zip(*samples, strict=True))
    confidence = columns["confidence"]
    orders = [order for order in permutations(range(len(samples))) if (np.diff(confidence[list(order)]) <= 0).all()]
    wrong = np.array([columns["label_rank"][list(order)] for order in orders])
    wanted = (wrong.cumsum(axis=1) / np.arange(1, len(samples) + 1)).mean()
    assert AURC.value(columns, 2) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(("right", "area"), [(True, 0.0), (False, 1.0)])
def test_the_ends_of_aurc(right, area):
    """Samples that are all right have the area 0, samples that are all wrong the area 1."""
    assert AURC.value(confident([0.2, 0.5, 0.5], [right] * 3), 2) == pytest.approx(area)


def test_confidence_that_says_nothing_has_an_auroc_of_one_half():
    """Right and wrong samples of one confidence tie in every pair."""
    assert AUROC.value(confident([0.5] * 5, [True, False, True, True, False]), 2) == 0.5


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40))
def test_only_the_order_of_confidences_counts(samples):
    """A rising function of confidence leaves both areas as they are; a falling one turns AUROC into 1 − AUROC."""
    confidence, right = zip(*samples, strict=True)
    columns = confident(np.array(confidence) / 20, right)
    squared, turned = (confident(f(columns["confidence"]), right) for f in (np.square, np.negative))
    assert AURC.value(columns, 2) == AURC.value(squared, 2)
    assert AUROC.value(columns, 2) == AUROC.value(squared, 2)
    if AUROC.value(columns, 2) is not None:
        assert AUROC.value(turned, 2) == pytest.approx(1 - AUROC.value(columns, 2))
