"""The contract of a metric: a name, the per-sample columns that it needs, and the estimate that it makes of them.

`tasks.aggregation` offers these columns, one value (or row) for each of n samples, in the order of the data set:

| column | shape, type | meaning |
|---|---|---|
| `prediction` | (n,) int32 | the class of highest probability |
| `entropy` | (n,) float64 | entropy of the predicted probabilities, nats |
| `label` | (n,) int32 | the true class; −1 for a sample without a label |
| `label_rank` | (n,) int32 | number of classes that score above the label, 0 if top-1 is right; −1 without a label |
| `loss` | (n,) float64 | cross-entropy against the label, nats; NaN without a label |
| `own_coefficients` | (n, M) float64 | coefficients that the M models' outputs give the sample |
| `group_coefficients` | (n, M) float64 | coefficients that the sample is merged with: its cluster's or its bin's |

Data sets without labels do not have the three label columns; only merges in groups have the two coefficient columns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

SampleColumns = Mapping[str, NDArray[Any]]
"""Column name to the values of n samples."""

PREDICTION_COLUMNS = ("prediction", "entropy")
LABEL_COLUMNS = ("label", "label_rank", "loss")
GROUP_COLUMNS = ("own_coefficients", "group_coefficients")
_COLUMNS = (*PREDICTION_COLUMNS, *LABEL_COLUMNS, *GROUP_COLUMNS)


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
        ValueError: the metric names no column, or one that aggregation does not offer.
    """

    name: str
    """The value of the column `metric` in the results."""
    columns: tuple[str, ...]
    """The columns that the estimate needs; results leave the metric out where one of them does not exist."""
    estimate: Callable[[SampleColumns, int | None], Estimate | None]
    """Function of these columns and the number of classes (None without labels); returns None where undefined."""
    version: int = 1
    """Of the estimate; a raised version has the results of every experiment aggregated again."""

    def __post_init__(self) -> None:
        unknown = [column for column in self.columns if column not in _COLUMNS]
        if unknown or not self.columns:
            raise ValueError(f"metric {self.name}: wanted columns out of {', '.join(_COLUMNS)}, got {self.columns}")
