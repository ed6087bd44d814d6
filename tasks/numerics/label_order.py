"""Labels in another order than a head's classes: the classic fault of evaluations, seen from predictions alone.

A shuffled order of classes, the labels of another split, folders sorted as text where numbers were meant (10 before 2):
each leaves predictions that agree with the labels up to a permutation. Such a permutation is looked for on one half of
the samples and tried on the other, so that what fits by chance is not taken for one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy

from tasks.numerics.checks import Floats

_LEAST_GAIN = 0.1  # of accuracy, by relabelling: less may be two classes that a model confuses
_DEVIATIONS = 5.0  # standard deviations of that gain, were there none: one in a million data sets by chance
_TIMES = 2.0  # the accuracy of the best model, which a relabelling has to exceed by that and by the gain; or else
_NEARLY_ALL = 0.9  # of the moved classes have to be predicted as the new one, each by `_MOST` of its samples
_MOST = 0.6
_REVERSED = 0.75  # accuracy of two classes reversed; below, a model that is worse than chance is as likely
_SURE = 0.8  # mean of e^−H, from which on chance accuracy is suspicious; the largest probability is at least that
_SPREAD = 0.8  # of the labels' entropy: predictions less spread come from a model that has collapsed to a few classes
_BY_CHANCE = 3.0  # standard deviations that accuracy may be from that of predictions independent of the labels
_LEAST_SAMPLES = 50
_MOST_CLASSES = 5000  # an assignment of more takes minutes
_NAMED = 3  # classes in the message

Integers = NDArray[np.int32]


class Predictions(NamedTuple):
    """One model on one labelled data set."""

    predicted: Integers
    """(n,) classes."""
    entropy: Floats
    """(n,) of the predicted probabilities, nats."""

    @property
    def certainty(self) -> float:
        """Mean of e^−H, the model's own expertise: 1 when it is sure of every sample."""
        return float(np.exp(-self.entropy).mean())


def doubt_of_labels(labels: Integers, models: list[Predictions], classes: int) -> str | None:
    """Return why labels seem not to belong to the head's classes, in words; None where nothing is suspicious.

    A relabelling counts when it lifts some model's accuracy far above that of every model with the labels as they are:
    to more than twice that, or by classes most of whose samples are predicted as one other class each. Chance accuracy
    counts when no model does better than chance, though the surest (of largest mean e^−H) is sure of what it predicts
    and does not predict the same class for nearly all samples.

    Args:
        labels: (n,) the true classes, as the data set says.
        models: of every model, its predictions on the same samples.
        classes: how many the data set has.

    Raises:
        ValueError: no models, or predictions of another number of samples.
    """
    if not models or any(len(model.predicted) != len(labels) for model in models):
        raise ValueError(f"predictions of {len(models)} models: wanted at least one, each of {len(labels)} samples")
    # a head may have more classes than the labels name, where those are numbers
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
    """Say how a permutation of the classes explains predictions better than the labels do, if one does."""
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
    """Tell whether most samples of nearly every moved class are predicted as the class that it is moved to."""
    count = np.bincount(labels, minlength=classes)
    agreed = np.bincount(labels[moved], minlength=classes)
    shifted = (place != np.arange(classes)) & (count > 0)
    return int((shifted & (agreed >= _MOST * count)).sum()) >= _NEARLY_ALL * int(shifted.sum())


def _relabelled(labels: Integers, predicted: Integers, classes: int, part: slice) -> NDArray[np.intp]:
    """Return, for each class, the one that its samples are predicted as in the best one-to-one assignment."""
    confusion = np.bincount(labels[part].astype(np.int64) * classes + predicted[part], minlength=classes**2)
    # a class stays where it is when another place is no better: of those that never occur too
    score = confusion.reshape(classes, classes) * 2 + np.eye(classes, dtype=np.int64)
    place: NDArray[np.intp] = linear_sum_assignment(score, maximize=True)[1]
    return place


def _chance(labels: Integers, by_certainty: list[Predictions], classes: int) -> str | None:
    """Say that no model agrees with the labels more than by chance though the surest is sure, if that is so."""
    surest, samples = by_certainty[0], len(labels)
    counts = np.bincount(labels, minlength=classes)
    shares = [np.bincount(model.predicted, minlength=classes) / samples for model in by_certainty]
    if surest.certainty < _SURE or entropy(shares[0]) < _SPREAD * entropy(counts) or not entropy(counts):
        return None
    for model, share in zip(by_certainty, shares, strict=True):
        expected = float(share @ counts) / samples  # were its predictions independent of the labels
        spread = (expected * (1 - expected) / samples) ** 0.5
        if abs((model.predicted == labels).mean() - expected) > _BY_CHANCE * spread:
            return None
    return (
        f"accuracy of {float((surest.predicted == labels).mean()):.0%} is no better than chance, though the surest "
        f"model's mean e^−H is {surest.certainty:.2f}: do the labels belong to these images and to the head's classes?"
    )
