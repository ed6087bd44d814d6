"""Top-k accuracy: scikit-learn's value on every kind of sample, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scored_samples import CLASSES, EXAMPLES, columns_of
from sklearn.metrics import top_k_accuracy_score

from tasks.numerics.metrics.accuracy import TOP1, TOP5


# where scores of several classes tie, scikit-learn ranks the highest number first, and `argmax` the lowest
@pytest.mark.parametrize("name", [name for name in EXAMPLES if "ties" not in name])
@pytest.mark.parametrize(("metric", "k"), [(TOP1, 1), (TOP5, 5)], ids=["top1", "top5"])
def test_accuracy_is_scikit_learns(name, metric, k):
    """Top-1 and top-5 equal `top_k_accuracy_score` to 1e-9 on ordinary and degenerate samples."""
    log_p, labels = EXAMPLES[name]
    wanted = top_k_accuracy_score(labels, np.exp(log_p), k=k, labels=range(CLASSES))
    assert metric.value(columns_of(log_p, labels), CLASSES) == pytest.approx(wanted, abs=1e-9)


def test_top_5_counts_labels_among_the_first_five():
    """Ranks 0 and 4 are among the first five classes, rank 5 is not."""
    assert TOP5.value({"label_rank": np.array([0, 4, 5], np.int32)}, 10) == pytest.approx(2 / 3)


@settings(deadline=None)
@given(arrays(np.int32, st.integers(1, 50), elements=st.integers(0, 9)))
def test_accuracy_grows_with_k(ranks):
    """For any ranks, top-5 accuracy is at least top-1 accuracy, and both lie between 0 and 1."""
    assert 0 <= TOP1.value({"label_rank": ranks}, 10) <= TOP5.value({"label_rank": ranks}, 10) <= 1


@pytest.mark.parametrize(
    ("metric", "classes", "defined"),
    [(TOP5, 5, False), (TOP5, 6, True), (TOP1, 1, False), (TOP1, 2, True), (TOP1, None, False)],
)
def test_top_k_is_undefined_where_k_classes_are_all_classes(metric, classes, defined):
    """An accuracy that no prediction could lower is no row of the results."""
    assert (metric.value({"label_rank": np.zeros(3, np.int32)}, classes) is not None) == defined
