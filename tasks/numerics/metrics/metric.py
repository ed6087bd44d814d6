"""The contract of a metric: a name, the per-sample columns that it needs, and a statistic of weighted samples.

`tasks.evidence.sample_columns` offers these columns, one value (or row) for each of n samples, in the order of the data
set:

| column | shape, type | meaning |
|---|---|---|
| `prediction` | (n,) int32 | the class of highest probability |
| `entropy` | (n,) float64 | entropy of the predicted probabilities, nats |
| `confidence` | (n,) float64 | the highest probability |
| `sum_of_squares` | (n,) float64 | Σ_c p_c², the sum of the squared probabilities of all classes |
| `label` | (n,) int32 | the true class; −1 for a sample without a label |
| `label_rank` | (n,) int32 | number of classes that score above the label, 0 if top-1 is right; −1 without a label |
| `loss` | (n,) float64 | cross-entropy against the label, nats; NaN without a label |
| `own_coefficients` | (n, M) float64 | coefficients that the M models' outputs give the sample |
| `group_coefficients` | (n, M) float64 | coefficients that the sample is merged with: its cluster's or its bin's |
| `tuned_rank` | (n,) int32 | `label_rank` of the model that was fine-tuned on this data set |

Data sets without labels do not have the three label columns; only merges in groups have the two coefficient columns;
only data sets on which a model of the experiment was fine-tuned have `tuned_rank`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats

SampleColumns = Mapping[str, NDArray[Any]]
"""Column name to the values of n samples."""

PREDICTION_COLUMNS = ("prediction", "entropy", "confidence", "sum_of_squares")
LABEL_COLUMNS = ("label", "label_rank", "loss")
GROUP_COLUMNS = ("own_coefficients", "group_coefficients")
TUNED_COLUMN = "tuned_rank"
_COLUMNS = (*PREDICTION_COLUMNS, *LABEL_COLUMNS, *GROUP_COLUMNS, TUNED_COLUMN)

Weights = NDArray[np.floating[Any]]
"""(n, B) how often each of n samples counts in each of B weightings: whole numbers, float64 or float32."""

Statistic = Callable[[SampleColumns, int | None, Weights], Floats | None]
"""From columns of n samples, the number of classes (None without labels) and weights (n, B), to B values.

A weight counts how often a sample is drawn: a column of ones gives the value on the samples themselves, a column of
multinomial counts its value on one resample. None where the metric is not defined, such as top-5 of five classes; NaN
for a weighting on which it is not defined, such as the AUROC of a resample without an error.
"""

Terms = Callable[[SampleColumns, int | None], Floats | None]
"""From columns of n samples and the number of classes to the (n,) terms that a metric is the mean of, or None."""


class Estimate(NamedTuple):
    """The value of a metric on the samples of one data set."""

    value: float
    ci_low: float | None
    """Lower end of the 95 % confidence interval; None where the value is exact."""
    ci_high: float | None
    """Upper end of the same interval."""
    samples: int
    """Number of samples that the value comes from."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number by which results compare methods on a data set.

    Raises:
        ValueError: the metric names no column, or one that nobody offers.
    """

    name: str
    """The value of the column `metric` in the results."""
    title: str
    """Its name for readers, such as `top-1 accuracy`."""
    better: Literal["higher", "lower"] | None
    """Which values are better; None: the metric ranks nothing."""
    unit: Literal["%", "nats", ""]
    """How it is shown: `%` for fractions, which are stored from 0 to 1 and shown times 100."""
    columns: tuple[str, ...]
    """The columns that the statistic needs; results leave the metric out where one of them does not exist."""
    statistic: Statistic
    """The metric, as a function of weighted samples."""
    interval: Literal["wilson", "bootstrap"] | Callable[[SampleColumns, int | None], tuple[float, float] | None] | None
    """How its 95 % interval is made: Wilson's for shares of samples, a bootstrap, the metric's own; None: none."""
    terms: Terms | None = None
    """For a mean of terms of samples: the terms, so that many means are resampled by one matrix product."""
    deciding: Callable[[SampleColumns], int] | None = None
    """Number of samples that decide the value, where these are far fewer than all: a difference of two methods is as
    uncertain as one of so few samples. None: all samples."""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """The lowest and the highest value that exist; an interval that is corrected for bias ends there."""
    is_tested: bool = True
    """Whether the bootstrap gives a valid test of a difference. It does not for an extreme, such as the worst recall of
    100 classes: two equal methods then have p < 0.05 in 16 % of all cases."""
    version: int = 1
    """Of the estimate; a raised version has the results of every experiment aggregated again."""

    def __post_init__(self) -> None:
        unknown = [column for column in self.columns if column not in _COLUMNS]
        if unknown or not self.columns:
            raise ValueError(f"metric {self.name}: wanted columns out of {', '.join(_COLUMNS)}, got {self.columns}")

    @property
    def needs_labels(self) -> bool:
        """Whether it is left out on data sets without labels."""
        return any(column in (*LABEL_COLUMNS, TUNED_COLUMN) for column in self.columns)

    def value(self, columns: SampleColumns, classes: int | None) -> float | None:
        """Return the metric on some samples, or None where it is not defined.

        Args:
            columns: at least the metric's own, of n samples.
            classes: number of classes; None without labels.

        Raises:
            ValueError: no samples exist, or a column holds a number that is not finite.
        """
        own = {name: columns[name] for name in self.columns}
        samples = check_columns(self.name, own)
        found = self.statistic(own, classes, np.ones((samples, 1)))
        return None if found is None or np.isnan(found[0]) else float(found[0])


def check_columns(name: str, columns: SampleColumns) -> int:
    """Return the number of samples of columns that a metric can be computed from.

    Args:
        name: of the metric, for the message.
        columns: the metric's columns.

    Raises:
        ValueError: no samples exist (a score of nothing is not 0), the columns differ in length, a number is not
            finite, or a sample has no label.
    """
    lengths = {column: len(values) for column, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"metric {name}: wanted columns of one length, got {lengths}")
    for column, values in columns.items():
        if not len(values):
            raise ValueError(f"metric {name}: column {column}: wanted at least one sample, got none")
        if not np.isfinite(values).all():
            raise ValueError(f"metric {name}: column {column}: wanted finite numbers for all samples")
        if column in ("label", "label_rank", TUNED_COLUMN) and np.any(values < 0):
            raise ValueError(
                f"metric {name}: column {column}: wanted labels for all samples, {int(np.sum(values < 0))} have none"
            )
    return next(iter(lengths.values()))


def mean_of(terms: Terms) -> Statistic:
    """Return the statistic of a metric that is the mean of a term of each sample.

    Example:
        >>> half = mean_of(lambda columns, _: columns["entropy"] / 2)
        >>> half({"entropy": np.array([1.0, 3.0])}, None, np.array([[1.0, 2.0], [1.0, 0.0]]))
        array([1. , 0.5])
    """

    def statistic(columns: SampleColumns, classes: int | None, weights: Weights) -> Floats | None:
        found = terms(columns, classes)
        if found is None:
            return None
        value: Floats = found @ weights / weights.sum(axis=0)
        return value

    return statistic
