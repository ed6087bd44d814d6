"""Top-1 and top-5 accuracy, with Wilson's interval."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tasks.numerics.metrics.metric import Estimate, Metric, SampleColumns


def top_k(label_rank: NDArray[np.int32], k: int, *, confidence: float = 0.95) -> Estimate:
    """Return the fraction of samples whose label is among the k classes of highest score.

    The interval is Wilson's score interval (Wilson, JASA 1927): it stays inside [0, 1] and does not shrink to a point
    at 0 or 1.

    Args:
        label_rank: (n,) number of classes that score above the label, at least 0.
        k: number of classes, at least 1.
        confidence: coverage of the interval, between 0 and 1.

    Returns:
        The fraction, the ends of its interval, and n.

    Raises:
        ValueError: no samples exist (an accuracy of nothing is not 0), a sample has no label, or k is below 1.

    Example:
        >>> estimate = top_k(np.array([0, 0, 2, 7]), 1)
        >>> print(f"{estimate.value:.2f}, between {estimate.ci_low:.2f} and {estimate.ci_high:.2f}")
        0.50, between 0.15 and 0.85
        >>> top_k(np.array([0, 0, 2, 7]), 5).value
        0.75
    """
    if label_rank.size == 0:
        raise ValueError("label_rank: wanted at least one sample, got none")
    if np.any(label_rank < 0):
        raise ValueError(f"label_rank: wanted labels for all samples, {int(np.sum(label_rank < 0))} have none")
    if k < 1:
        raise ValueError(f"k: wanted at least 1, got {k}")
    hits, samples = int(np.sum(label_rank < k)), int(label_rank.size)
    low, high = wilson_interval(hits, samples, confidence)
    return Estimate(hits / samples, low, high, samples)


def wilson_interval(hits: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of Wilson's score interval of a fraction (Wilson, JASA 1927).

    scipy.stats has the same interval, and takes half a second to import, which every command would wait for.

    Args:
        hits: number of successes, from 0 to `samples`.
        samples: number of trials, at least 1.
        confidence: coverage of the interval, between 0 and 1.

    Example:
        >>> low, high = wilson_interval(2, 4)
        >>> print(f"{low:.4f} {high:.4f}")
        0.1500 0.8500
    """
    z = float(ndtri(0.5 + confidence / 2))
    fraction, shrinkage = hits / samples, 1.0 + z**2 / samples
    centre = (fraction + z**2 / (2 * samples)) / shrinkage
    half = z * ((fraction * (1.0 - fraction) + z**2 / (4 * samples)) / samples) ** 0.5 / shrinkage
    # at the ends the interval touches 0 and 1, which rounding would miss
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == samples else centre + half)


def _accuracy(columns: SampleColumns, classes: int | None, *, k: int) -> Estimate | None:
    """Return the top-k accuracy, or None where k classes are all classes, so that no prediction could be wrong."""
    return None if classes is None or k >= classes else top_k(columns["label_rank"], k)


TOP1 = Metric(name="top1", columns=("label_rank",), estimate=partial(_accuracy, k=1))
TOP5 = Metric(name="top5", columns=("label_rank",), estimate=partial(_accuracy, k=5))

METRICS = (TOP1, TOP5)
