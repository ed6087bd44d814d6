"""Predictions by reference: of merged models, and of output ensembles."""

from dataclasses import dataclass
from typing import Any, Literal

from tasks.numerics.checks import Floats
from tasks.numerics.expertise import task_vector_coefficients
from tasks.references.coefficients import BinsReference, CoefficientsReference, FittedReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.references.tables import TableReference
from tasks.references.versions import computation


@dataclass(frozen=True, kw_only=True)
class MergeReference(TableReference):
    """Predictions of merged models: one for all samples, one per cluster or bin, or one per sample."""

    outputs: tuple[OutputsReference, ...]
    """Of the models that are merged, the base first."""
    source: tuple[float, ...] | FittedReference
    """The coefficients of all samples, or the table that holds each sample's."""
    scale: float | None = None
    """s of the task vectors: the table holds coefficients of the models after the base; None: of all models."""

    table = "predictions"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.outputs[0].dataset

    @property
    def is_grouped(self) -> bool:
        """Whether samples share merged models by cluster or bin."""
        return isinstance(self.source, MixtureReference | BinsReference)

    @property
    def is_learnt(self) -> bool:
        """Whether one of the models is made by a method that looks at images."""
        return any(outputs.model.made and outputs.model.made.looks_at for outputs in self.outputs)

    @property
    def is_local(self) -> bool:
        """Whether it can be evaluated in the pass that extracts: no sample waits for other samples' outputs."""
        if any(outputs.model.made for outputs in self.outputs):
            return False  # the weights may be made of outputs of that pass
        return isinstance(self.source, tuple) or (
            isinstance(self.source, CoefficientsReference | MixtureReference) and self.source.is_local
        )

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the predictions depend on: the weights, but not the models' temperatures."""
        first = self.outputs[0]
        source = list(self.source) if isinstance(self.source, tuple) else self.source.content_id
        return {
            "computation": computation("merge"),
            **first.scored.content,
            "weights": [outputs.model.digest for outputs in self.outputs],
            "tower": first.model.identified_tower,
            "precision": first.scored.precision,
            "coefficients": source,
            "scale": self.scale,
        }

    def of_models(self, table: Floats) -> Floats:
        """Return the coefficients (n, M) of all models, the base first, from those that the source's table holds."""
        return table if self.scale is None else task_vector_coefficients(table, self.scale)


@dataclass(frozen=True, kw_only=True)
class EnsembleReference(TableReference):
    """Predictions of an output ensemble: the models' probabilities, averaged with weights."""

    outputs: tuple[OutputsReference, ...]
    weighting: Literal["uniform", "surest"] | CoefficientsReference
    """Equal weights; all weight on the model of lowest entropy; or each sample's own coefficients."""

    table = "predictions"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.outputs[0].dataset

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the predictions depend on."""
        return {
            "computation": computation("ensemble"),
            "dataset": self.dataset.digest,
            "outputs": [outputs.content_id for outputs in self.outputs],
            "weighting": self.weighting if isinstance(self.weighting, str) else self.weighting.content_id,
        }


PredictionsReference = OutputsReference | MergeReference | EnsembleReference
"""The table that holds one method's predictions on one data set; a single model's are its outputs."""
