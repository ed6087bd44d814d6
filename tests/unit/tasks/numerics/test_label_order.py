"""Detection of labels in another order, where a permutation explains the predictions and nowhere else."""

import numpy as np
import pytest

from tasks.numerics.label_order import ModelPredictions, doubt_of_labels


def model(labels, classes, accuracy, *, seed=0, entropy=0.1):
    """Return predictions that are right with some probability, and otherwise of any class."""
    random = np.random.default_rng(seed)
    right = random.random(len(labels)) < accuracy
    predicted = np.where(right, labels, random.integers(0, classes, len(labels))).astype(np.int32)
    return ModelPredictions(predicted, np.full(len(labels), entropy))


def labels_of(classes, samples, seed=1):
    return np.random.default_rng(seed).integers(0, classes, samples).astype(np.int32)


@pytest.mark.parametrize(
    ("classes", "samples", "accuracy"), [(10, 200, 0.9), (10, 450, 0.5), (100, 3000, 0.7), (3, 60, 0.9)]
)
def test_a_shuffled_order_is_found(classes, samples, accuracy):
    """The message gives the accuracy after relabelling, and names the classes of most samples that moved."""
    truth = labels_of(classes, samples)
    shuffled = np.roll(np.arange(classes, dtype=np.int32), 1)[truth]
    models = [model(truth, classes, accuracy), model(truth, classes, accuracy / 2, seed=2, entropy=1.0)]
    doubt = doubt_of_labels(shuffled, models, classes)
    assert "labels seem to be in another order" in doubt
    assert f"{classes} of {classes} classes moved" in doubt
    assert doubt.count("is predicted as") == 3


def test_folders_sorted_as_text_are_found():
    """Class numbers as folder names, where 10 comes before 2, are recognised by 18 of 20 classes that moved."""
    truth = labels_of(20, 1000)
    order = sorted(range(20), key=str)
    wrong = np.array([order.index(i) for i in range(20)], np.int32)[truth]
    doubt = doubt_of_labels(wrong, [model(truth, 20, 0.8)], 20)
    assert "18 of 20 classes moved" in doubt  # 0 and 1 keep their places


def test_two_swapped_classes_are_found_and_named():
    """Two classes of ten that change places are named, although the other eight are right."""
    truth = labels_of(10, 900)
    order = np.arange(10, dtype=np.int32)
    order[[3, 7]] = order[[7, 3]]
    doubt = doubt_of_labels(order[truth], [model(truth, 10, 0.9)], 10)
    assert "3 is predicted as 7" in doubt
    assert "7 is predicted as 3" in doubt
    assert "2 of 10 classes moved" in doubt


@pytest.mark.parametrize("seed", range(40))
def test_right_labels_raise_no_doubt(seed):
    """Labels in the right order pass with good, weak and useless models, few and many classes and samples."""
    random = np.random.default_rng(seed)
    classes, samples = int(random.choice([2, 3, 10, 100])), int(random.choice([30, 60, 300, 2000]))
    truth = labels_of(classes, samples, seed)
    models = [model(truth, classes, a, seed=i, entropy=random.uniform(0.3, 2)) for i, a in enumerate(random.random(3))]
    assert doubt_of_labels(truth, models, classes) is None


def test_a_confusion_that_is_no_permutation_raises_no_doubt():
    """A model that takes every 4 for a 9 is wrong itself, and so is one that rotates the classes beside a right one."""
    truth = labels_of(10, 1000)
    predicted = np.where(truth == 4, 9, truth).astype(np.int32)
    assert doubt_of_labels(truth, [ModelPredictions(predicted, np.full(1000, 0.05))], 10) is None
    rotated = ModelPredictions(((truth + 1) % 10).astype(np.int32), np.full(1000, 0.05))
    assert doubt_of_labels(truth, [rotated, model(truth, 10, 0.95, entropy=0.5)], 10) is None


def test_uneven_confusion_and_reversed_guesses_raise_no_doubt():
    """Neither a large class mostly taken for a small one, nor a binary model worse than chance, moves the labels."""
    truth = np.repeat([0, 1, 2], [700, 50, 250]).astype(np.int32)
    predicted = truth.copy()
    predicted[:490], predicted[700:725] = 1, 0
    order = np.random.default_rng(0).permutation(1000)
    assert doubt_of_labels(truth[order], [ModelPredictions(predicted[order], np.full(1000, 0.05))], 3) is None
    binary = labels_of(2, 2000)
    worse = np.where(np.random.default_rng(1).random(2000) < 0.38, binary, 1 - binary).astype(np.int32)
    assert doubt_of_labels(binary, [ModelPredictions(worse, np.full(2000, 0.05))], 2) is None


def test_a_head_may_have_more_classes_than_the_labels():
    """Predictions of classes that no label has are wrong predictions, and no error of the labels."""
    truth = labels_of(3, 60)
    predicted = np.where(np.arange(60) % 4 == 0, 4, truth).astype(np.int32)
    assert doubt_of_labels(truth, [ModelPredictions(predicted, np.full(60, 0.05))], 3) is None


def test_a_collapsed_model_hides_no_good_one():
    """A model that predicts one class with certainty does not keep a good model from showing the fault."""
    truth = labels_of(10, 900)
    collapsed = ModelPredictions(np.zeros(900, np.int32), np.full(900, 0.01))
    shuffled = np.roll(np.arange(10, dtype=np.int32), 1)[truth]
    assert "another order" in doubt_of_labels(shuffled, [collapsed, model(truth, 10, 0.9, entropy=0.5)], 10)


def test_chance_accuracy_of_a_sure_model_is_reported():
    """Labels unrelated to the images are reported for a sure model, and not for an unsure or a collapsed one."""
    truth, others = labels_of(10, 500), labels_of(10, 500, seed=5)
    assert "no better than chance" in doubt_of_labels(truth, [ModelPredictions(others, np.full(500, 0.05))], 10)
    assert doubt_of_labels(truth, [ModelPredictions(others, np.full(500, 1.5))], 10) is None
    assert doubt_of_labels(truth, [ModelPredictions(np.zeros(500, np.int32), np.full(500, 0.01))], 10) is None


def test_predictions_that_do_not_fit_the_labels_are_refused():
    """An empty list of models, and predictions for another number of samples, raise an error with the numbers."""
    with pytest.raises(ValueError, match="predictions of 0 models"):
        doubt_of_labels(labels_of(3, 60), [], 3)
    with pytest.raises(ValueError, match="each of 60 samples"):
        doubt_of_labels(labels_of(3, 60), [model(labels_of(3, 50), 3, 1.0)], 3)
