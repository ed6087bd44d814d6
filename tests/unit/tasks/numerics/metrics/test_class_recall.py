"""Averages over classes: scikit-learn's values on every kind of sample, resamples, and refusals."""

import numpy as np
import pytest
from scored_samples import CLASSES, EXAMPLES, columns_of
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from tasks.numerics.metrics.class_recall import MACRO_F1, MEAN_RECALL, WORST_RECALL

# predictions of classes without samples are meant
pytestmark = pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")


@pytest.mark.parametrize("name", EXAMPLES)
def test_averages_over_classes_are_scikit_learns(name):
    """Mean recall is balanced accuracy, macro F1 is `f1_score` over the classes that occur, to 1e-9."""
    columns = columns_of(*EXAMPLES[name])
    labels, predicted = columns["label"], columns["prediction"]
    wanted = f1_score(labels, predicted, average="macro", zero_division=0)
    assert MACRO_F1.value(columns, CLASSES) == pytest.approx(wanted, abs=1e-9)
    if len(labels) > 1:  # balanced accuracy warns that one class is no classification
        wanted = balanced_accuracy_score(labels, predicted)
        assert MEAN_RECALL.value(columns, CLASSES) == pytest.approx(wanted, abs=1e-9)
    recalls = recall_score(labels, predicted, average=None, labels=np.unique(labels), zero_division=0)
    assert WORST_RECALL.value(columns, CLASSES) == pytest.approx(min(recalls), abs=1e-9)
    assert MEAN_RECALL.value(columns, CLASSES) == pytest.approx(np.mean(recalls), abs=1e-9)


def test_more_classes_without_samples_change_nothing():
    """Averages are over the classes that occur, not over all classes of the head."""
    columns = columns_of(*EXAMPLES["random"])
    for metric in (MEAN_RECALL, MACRO_F1, WORST_RECALL):
        assert metric.value(columns, CLASSES) == pytest.approx(metric.value(columns, 1000), abs=1e-12)


def test_without_labels_no_average_is_defined():
    """A data set whose number of classes is unknown has no value."""
    columns = columns_of(*EXAMPLES["random"])
    assert MEAN_RECALL.value(columns, None) is None


def test_the_interval_of_the_worst_recall_holds_it_and_is_wider_for_fewer_samples():
    """The interval stays around the value and inside [0, 1], also where classes have no sample."""
    columns = columns_of(*EXAMPLES["a class without samples"])
    low, high = WORST_RECALL.interval(columns, CLASSES)
    assert 0 <= low < WORST_RECALL.value(columns, CLASSES) < high <= 1
    doubled = {name: np.tile(values, 4) for name, values in columns.items()}
    lower, higher = WORST_RECALL.interval(doubled, CLASSES)
    assert low < lower < higher < high


def test_a_label_that_is_no_class_is_refused():
    """Five classes are numbered 0 to 4: the label 6 raises an error that names it."""
    columns = columns_of(*EXAMPLES["random"])
    with pytest.raises(ValueError, match="wanted classes below 5, got 6"):
        MEAN_RECALL.value(columns, 5)
