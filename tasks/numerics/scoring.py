"""What one batch of logits says: predictions, how far the label is from the top, losses and entropies."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.numerics.entropy import entropy_of


class Scores(NamedTuple):
    """Per sample, all (n,)."""

    prediction: NDArray[np.int32]
    entropy: Floats
    """Of the probabilities, nats."""
    label_rank: NDArray[np.int32]
    """How many classes score above the label; 0 is top-1 correct. −1 without a label."""
    loss: Floats
    """Cross-entropy against the label, nats; NaN without a label."""


def score(log_p: Floats, labels: NDArray[np.int32]) -> Scores:
    """Score log probabilities (n, classes) against labels (n,), where −1 stands for no label.

    Classes that tie with the label count as above it when their number is lower, as `argmax` would have it: so
    rank 0 and `prediction == label` are the same thing.
    """
    rows, known = np.arange(len(log_p)), labels >= 0
    of_label = log_p[rows, np.maximum(labels, 0)]
    earlier = np.arange(log_p.shape[1])[None, :] < labels[:, None]
    above = (log_p > of_label[:, None]) | ((log_p == of_label[:, None]) & earlier)
    return Scores(
        prediction=log_p.argmax(axis=1).astype(np.int32),
        entropy=entropy_of(log_p),
        label_rank=np.where(known, above.sum(axis=1), -1).astype(np.int32),
        loss=np.where(known, -of_label, np.nan),
    )
