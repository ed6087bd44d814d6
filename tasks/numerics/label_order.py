"""Detection of labels in another order than a head's classes, from predictions alone.

A shuffled order of classes, the labels of another split, folders sorted as text instead of as numbers (10 before 2):
each of these faults leaves predictions that agree with the labels up to a permutation. The search fits a permutation to
one half of the samples and tests it on the other half, so that it reports none that fits by chance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr

from tasks.numerics.checks import Floats

_LEAST_GAIN = 0.1  # least gain of accuracy by a relabelling; a smaller one may be two classes that a model confuses
_DEVIATIONS = 5.0  # least gain in standard deviations; chance reaches it in one data set of a million
_TIMES = 2.0  # multiple of the best model's accuracy above which a gain is proof without a look at single classes
_NEARLY_ALL = 0.9  # below that multiple, least fraction of the moved classes that agree with the relabelling
_MOST = 0.6  # a class agrees if this fraction of its samples is predicted as the class that it is moved to
_REVERSED = 0.75  # least accuracy of two classes reversed; below it a model that is worse than chance is as likely
_SURE = 0.8  # mean of e^−H above which chance accuracy is suspicious; the largest probability is at least that high
_SPREAD = 0.8  # least entropy of the predicted classes over that of the labels; below it the model has collapsed
_BY_CHANCE = 3.0  # standard deviations within which an accuracy counts as that of predictions independent of the labels
_LEAST_SAMPLES = 50
_MOST_CLASSES = 5000  # the assignment of more classes takes minutes
_NAMED = 3  # classes that the message names

Integers = NDArray[np.int32]


class ModelPredictions(NamedTuple):
    """The predictions of one model for n labelled samples."""

    predicted: Integers
    """(n,) predicted classes."""
    entropy: Floats
    """(n,) entropies of the predicted probabilities, nats."""

    @property
    def certainty(self) -> float:
        """The mean of e^−H, the model's expertise: 1 if it is certain of every sample."""
        return float(np.exp(-self.entropy).mean())


def doubt_of_labels(labels: Integers, models: list[ModelPredictions], classes: int) -> str | None:
    """Return a message that the labels seem not to belong to the head's classes, or None if nothing is suspicious.

    Two findings are suspicious. A relabelling: it lifts the accuracy of some model far above the accuracy of every
    model with the labels as they are, either to more than twice that, or because most samples of each moved class are
    predicted as one other class. Chance accuracy: no model is better than chance, although the surest (of largest
    mean e^−H) is sure of its predictions and does not predict the same class for nearly all samples.

    Args:
        labels: (n,) true classes of the data set.
        models: predictions of each model for the same samples.
        classes: number of classes of the data set.

    Returns:
        The message, which gives accuracies and classes, or None.

    Raises:
        ValueError: no models are given, or a model has predictions for another number of samples.

    Example:
        >>> labels = np.arange(60, dtype=np.int32) % 3
        >>> predicted = (labels + 1) % 3  # every class is taken for the next one
        >>> message = doubt_of_labels(labels, [ModelPredictions(predicted, np.zeros(60))], 3)
        >>> message.split(":")[0]
        "labels seem to be in another order than the head's classes"
        >>> doubt_of_labels(labels, [ModelPredictions(labels, np.zeros(60))], 3) is None
        True
    """
    if not models or any(len(model.predicted) != len(labels) for model in models):
        raise ValueError(f"predictions of {len(models)} models: wanted at least one, each of {len(labels)} samples")
    # a head may have more classes than occur among labels that are numbers
    classes = max(classes, *(int(model.predicted.max(initial=0)) + 1 for model in models))
    if len(labels) < _LEAST_SAMPLES or not 2 <= classes <= _MOST_CLASSES:
        return None
    by_certainty = sorted(models, key=lambda model: -model.certainty)
    best = max(float((model.predicted == labels).mean()) for model in models)
    for model in by_certainty:
        if doubt := _relabelling(labels, model.predicted, classes, best):
            return doubt
    return _chance(labels, by_certainty, classes)


def _relabelling(labels: Integers, predicted: Integers, classes: int, best: float) -> str | None:
    """Return a message if a permutation of the classes explains the predictions better than the labels do."""
    place = _relabelled(labels, predicted, classes, slice(0, None, 2))
    held_labels, held_predicted = labels[1::2], predicted[1::2]
    moved, kept = place[held_labels] == held_predicted, held_labels == held_predicted
    reached = float(moved.mean())
    gain = reached - max(best, float(kept.mean()))
    deviations = (int(moved.sum()) - int(kept.sum())) / max(1.0, float((moved != kept).sum())) ** 0.5
    if gain < _LEAST_GAIN or deviations < _DEVIATIONS or (classes == 2 and reached < _REVERSED):
        return None
    if reached < _TIMES * best + _LEAST_GAIN and not _is_majority(held_labels, moved, place, classes):
        return None
    whole = _relabelled(labels, predicted, classes, slice(None))
    counts = np.bincount(labels[whole[labels] == predicted], minlength=classes)
    changed = np.flatnonzero(whole != np.arange(classes))
    most = changed[np.argsort(-counts[changed], kind="stable")][:_NAMED]
    moves = ", ".join(f"{old} is predicted as {whole[old]}" for old in most)
    return (
        f"labels seem to be in another order than the head's classes: relabelled, accuracy would be "
        f"{float((whole[labels] == predicted).mean()):.0%} instead of {best:.0%} "
        f"(class {moves}; {len(changed)} of {classes} classes moved)"
    )


def _is_majority(labels: Integers, moved: NDArray[np.bool_], place: NDArray[np.intp], classes: int) -> bool:
    """Return whether most samples of nearly every moved class are predicted as the class that it is moved to."""
    count = np.bincount(labels, minlength=classes)
    agreed = np.bincount(labels[moved], minlength=classes)
    shifted = (place != np.arange(classes)) & (count > 0)
    return int((shifted & (agreed >= _MOST * count)).sum()) >= _NEARLY_ALL * int(shifted.sum())


def _relabelled(labels: Integers, predicted: Integers, classes: int, part: slice) -> NDArray[np.intp]:
    """Return the class that each class is predicted as, in the one-to-one assignment that most samples agree with."""
    confusion = np.bincount(labels[part].astype(np.int64) * classes + predicted[part], minlength=classes**2)
    # the diagonal decides ties: a class moves only if another place is better, and classes that never occur stay
    score = confusion.reshape(classes, classes) * 2 + np.eye(classes, dtype=np.int64)
    place: NDArray[np.intp] = linear_sum_assignment(score, maximize=True)[1]
    return place


def _chance(labels: Integers, by_certainty: list[ModelPredictions], classes: int) -> str | None:
    """Return a message if every model has chance accuracy although the surest model is sure."""
    surest, samples = by_certainty[0], len(labels)
    counts = np.bincount(labels, minlength=classes)
    frequencies = [np.bincount(model.predicted, minlength=classes) / samples for model in by_certainty]
    of_labels = float(entr(counts / samples).sum())
    if surest.certainty < _SURE or not of_labels or float(entr(frequencies[0]).sum()) < _SPREAD * of_labels:
        return None
    for model, frequency in zip(by_certainty, frequencies, strict=True):
        expected = float(frequency @ counts) / samples  # the accuracy of predictions independent of the labels
        spread = (expected * (1 - expected) / samples) ** 0.5
        if abs((model.predicted == labels).mean() - expected) > _BY_CHANCE * spread:
            return None
    return (
        f"accuracy of {float((surest.predicted == labels).mean()):.0%} is no better than chance, though the surest "
        f"model's mean e^−H is {surest.certainty:.2f}: do the labels belong to these images and to the head's classes?"
    )
