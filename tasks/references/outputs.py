"""Outputs by reference: one model's logits, entropies and losses on one data set."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from storage import keys
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.tables import TableReference
from tasks.references.versions import computation


@dataclass(frozen=True, kw_only=True)
class OutputsReference(TableReference):
    """One model's outputs on one data set."""

    model: ModelReference
    scored: ScoredDataset
    """The data set, and the head and the precision that the model is run with."""

    table = "outputs"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.scored.dataset

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the outputs depend on."""
        return {
            "computation": computation("outputs"),
            "weights": self.model.digest,
            "tower": self.model.identified_tower,
            "projection": self.model.projection.digest if self.model.projection else None,
            "temperature": self.model.temperature,
            **self.scored.content,
            "precision": self.scored.precision,
            "logits": self.scored.logits_type,
        }

    @cached_property
    def prefix(self) -> str:
        """Prefix of the table's objects in a store."""
        return keys.outputs(self.dataset.digest, self.model.weights, self.id)
