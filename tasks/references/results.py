"""Results by reference: the cells of a results table, and the run that writes it."""

from dataclasses import dataclass
from typing import Any

from storage import keys
from tasks.references.predictions import PredictionsReference


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method on one data set: a cell of the results table."""

    method: str
    predictions: PredictionsReference
    uses_labels: bool


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run of an experiment, and everything that its results depend on."""

    experiment: str
    run_id: str
    settings: dict[str, Any]
    checkpoints: tuple[str, ...] = ()
    """Addresses of the models' checkpoints, the base first. They are no part of the identity."""

    @property
    def key(self) -> str:
        """Key of the results in a store."""
        return keys.results(self.experiment, self.run_id)
