"""Top-k accuracy with Wilson's interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


class Estimate(NamedTuple):
    """A share of samples with its confidence interval."""

    value: float
    low: float
    high: float
    samples: int


def top_k(label_rank: NDArray[np.int32], k: int, *, confidence: float = 0.95) -> Estimate:
    """Return the share of samples whose label is among the k highest scores.

    Args:
        label_rank: (n,) classes above the label, ≥ 0.
        k: at least 1.
        confidence: of Wilson's score interval (Wilson 1927), which stays inside [0, 1] and is honest at 0 and 1.

    Raises:
        ValueError: no samples (an accuracy of nothing is not 0), a sample without label, k below 1.
    """
    if label_rank.size == 0:
        raise ValueError("label_rank: wanted at least one sample, got none")
    if np.any(label_rank < 0):
        raise ValueError(f"label_rank: wanted labels for all samples, {int(np.sum(label_rank < 0))} have none")
    if k < 1:
        raise ValueError(f"k: wanted at least 1, got {k}")
    hits, samples = int(np.sum(label_rank < k)), int(label_rank.size)
    interval = binomtest(hits, samples).proportion_ci(confidence, method="wilson")
    return Estimate(hits / samples, float(interval.low), float(interval.high), samples)
