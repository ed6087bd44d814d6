"""The distance between the coefficients of a sample and those of the cluster or bin that it is merged with."""

from typing import NamedTuple

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import GROUP_COLUMNS, Estimate, Metric, SampleColumns


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
        >>> import numpy as np
        >>> own = np.array([[0.5, 0.5], [0.25, 0.75]])
        >>> coefficient_error(own, np.array([[0.25, 0.75], [0.25, 0.75]]))
        CoefficientError(mean=0.125, largest=0.25)
    """
    distance = abs(own - group).max(axis=1)
    return CoefficientError(float(distance.mean()), float(distance.max()))


def _mean(columns: SampleColumns, _classes: int | None) -> Estimate:
    own, group = (columns[name] for name in GROUP_COLUMNS)
    return Estimate(coefficient_error(own, group).mean, None, None, len(own))


def _maximum(columns: SampleColumns, _classes: int | None) -> Estimate:
    own, group = (columns[name] for name in GROUP_COLUMNS)
    return Estimate(coefficient_error(own, group).largest, None, None, len(own))


COEFFICIENT_ERROR_MEAN = Metric(name="coefficient_error_mean", columns=GROUP_COLUMNS, estimate=_mean)
COEFFICIENT_ERROR_MAX = Metric(name="coefficient_error_max", columns=GROUP_COLUMNS, estimate=_maximum)

METRICS = (COEFFICIENT_ERROR_MEAN, COEFFICIENT_ERROR_MAX)
