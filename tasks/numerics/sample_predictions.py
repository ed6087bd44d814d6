"""The per-sample columns of a table of predictions, from log probabilities and labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.entropy import entropy_of


class Predictions(NamedTuple):
    """The predictions of one model for n samples; every field has shape (n,)."""

    prediction: NDArray[np.int32]
    """The class of highest probability."""
    entropy: Floats
    """Entropy of the probabilities, nats."""
    confidence: Floats
    """The highest probability."""
    sum_of_squares: Floats
    """Σ_c p_c², the sum of the squared probabilities: with the loss it gives the Brier score."""
    label_rank: NDArray[np.int32]
    """Number of classes that score above the label: 0 for a right prediction, −1 without a label."""
    loss: Floats
    """Cross-entropy against the label, nats; NaN without a label."""


def predict(log_p: Floats, labels: NDArray[np.int32]) -> Predictions:
    """Return the predicted classes, their entropies, and how they compare with the labels.

    A class that ties with the label counts as above it when its number is lower, as `argmax` chooses: so
    `label_rank == 0` and `prediction == label` mean the same.

    Args:
        log_p: (n, classes) log probabilities, nats.
        labels: (n,) true classes; −1 for a sample without a label.

    Returns:
        The columns of a table of predictions, each (n,).

    Example:
        >>> predictions = predict(np.log([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]]), np.array([1, -1], np.int32))
        >>> predictions.prediction, predictions.label_rank
        (array([0, 2], dtype=int32), array([ 1, -1], dtype=int32))
        >>> predictions.loss.round(2)
        array([1.2, nan])
        >>> predictions.confidence.round(2), predictions.sum_of_squares.round(2)
        (array([0.5, 0.6]), array([0.38, 0.46]))
    """
    rows, known = np.arange(len(log_p)), labels >= 0
    p = np.exp(log_p)
    of_label = log_p[rows, np.maximum(labels, 0)]
    earlier = np.arange(log_p.shape[1])[None, :] < labels[:, None]
    above = (log_p > of_label[:, None]) | ((log_p == of_label[:, None]) & earlier)
    return Predictions(
        prediction=log_p.argmax(axis=1).astype(np.int32),
        entropy=entropy_of(log_p),
        confidence=p.max(axis=1),
        sum_of_squares=np.einsum("nc,nc->n", p, p),
        label_rank=np.where(known, above.sum(axis=1), -1).astype(np.int32),
        loss=np.where(known, -of_label, np.nan),
    )
