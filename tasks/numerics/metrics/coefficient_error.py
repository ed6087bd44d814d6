"""The distance between the coefficients of a sample and those of the cluster or bin that it is merged with."""

from typing import NamedTuple

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import GROUP_COLUMNS, Metric, SampleColumns, Weights, mean_of


class CoefficientError(NamedTuple):
    """Mean and maximum over the samples of max_m |c_m − c'_m|."""

    mean: float
    largest: float


def coefficient_error(own: Floats, group: Floats) -> CoefficientError:
    """Return the distance between the samples' own coefficients and their groups', largest difference over models.

    Args:
        own: (n, M) coefficients of each sample.
        group: (n, M) coefficients of each sample's cluster or bin.

    Returns:
        The mean and the maximum over the samples.

    Example:
        >>> own = np.array([[0.5, 0.5], [0.25, 0.75]])
        >>> coefficient_error(own, np.array([[0.25, 0.75], [0.25, 0.75]]))
        CoefficientError(mean=0.125, largest=0.25)
    """
    distance = abs(own - group).max(axis=1)
    return CoefficientError(float(distance.mean()), float(distance.max()))


def _distance(columns: SampleColumns, _classes: int | None) -> Floats:
    own, group = (columns[name] for name in GROUP_COLUMNS)
    distance: Floats = abs(own - group).max(axis=1)
    return distance


def _largest(columns: SampleColumns, classes: int | None, weights: Weights) -> Floats:
    """Return the largest distance of a sample that is drawn at least once."""
    largest: Floats = np.where(weights > 0, _distance(columns, classes)[:, None], 0.0).max(axis=0)
    return largest


COEFFICIENT_ERROR_MEAN = Metric(
    name="coefficient_error_mean",
    title="mean distance of coefficients from their group's",
    better=None,
    unit="",
    columns=GROUP_COLUMNS,
    statistic=mean_of(_distance),
    interval=None,
    terms=_distance,
)
COEFFICIENT_ERROR_MAX = Metric(
    name="coefficient_error_max",
    title="largest distance of coefficients from their group's",
    better=None,
    unit="",
    columns=GROUP_COLUMNS,
    statistic=_largest,
    interval=None,
)

METRICS = (COEFFICIENT_ERROR_MEAN, COEFFICIENT_ERROR_MAX)
