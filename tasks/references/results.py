"""Results by reference: the cells of a results table, and the run that writes it."""

from dataclasses import dataclass
from typing import Any

from storage import keys
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference

ALL = "all"
"""Name of the group of all data sets, which no data set's own group may have."""
_MEAN = "mean/"


def mean_name(group: str) -> str:
    """Return the name that the mean over a group has in the column `dataset` of results.

    No data set can have it: their names hold no slash.

    Example:
        >>> mean_name("ood")
        'mean/ood'
    """
    return f"{_MEAN}{group}"


def is_mean(dataset: str) -> bool:
    """Return whether a name in the column `dataset` of results is that of a mean over a group.

    Example:
        >>> is_mean("mean/ood"), is_mean("sketch")
        (True, False)
    """
    return dataset.startswith(_MEAN)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method on one data set: a cell of the results table."""

    method: str
    predictions: PredictionsReference
    uses_labels: bool


@dataclass(frozen=True, kw_only=True)
class PublishedNumber:
    """A number that others reported for a row of the results, which shows it beside its own value."""

    method: str
    dataset: str
    """Name of the data set, or `mean/<group>`."""
    metric: str
    value: float
    """As results store the metric: shares of samples as fractions."""
    source: str
    """Where it was published, in words."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run of an experiment, and everything that its results depend on."""

    experiment: str
    run_id: str
    settings: dict[str, Any]
    checkpoints: tuple[str, ...] = ()
    """Addresses of the models' checkpoints, the base first. They are no part of the identity."""
    published: tuple[PublishedNumber, ...] = ()
    """At most one for each method, data set and metric. They are part of the run's identity, and of no table's: a
    changed number has the rows written again, from predictions that the store holds."""
    tuned: tuple[OutputsReference, ...] = ()
    """For each data set that one of the models was fine-tuned on, that model's outputs, which normalise accuracies."""

    @property
    def key(self) -> str:
        """Key of the results in a store."""
        return keys.results(self.experiment, self.run_id)

    def published_number(self, method: str, dataset: str, metric: str) -> PublishedNumber | None:
        """Return the number that was published for a row of the results; None if none was."""
        for number in self.published:
            if (number.method, number.dataset, number.metric) == (method, dataset, metric):
                return number
        return None
