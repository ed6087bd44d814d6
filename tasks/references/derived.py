"""References to what is computed from the outputs of several models: coefficients, groups, predictions, results."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from storage import keys
from storage.identity import digest_of
from tasks.numerics.checks import Floats
from tasks.numerics.expertise import task_vector_coefficients
from tasks.numerics.measures import WITH_OFFSET
from tasks.references.base import VERSION, DatasetReference, OutputsReference

_COLUMNS = {"entropy": "entropy", "oracle": "loss"}


class _Derived(ABC):
    """What is computed from the outputs of several models on one data set."""

    table: str
    outputs: tuple[OutputsReference, ...]

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What the table depends on."""

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the outputs."""
        return self.outputs[0].dataset

    @property
    def id(self) -> str:
        """Digest of the identity."""
        return digest_of(self.identity)

    @property
    def prefix(self) -> str:
        """Where the objects lie in a store."""
        return keys.derived(self.table, self.dataset.digest, self.id)

    def _computation(self, **depends: Any) -> dict[str, Any]:  # noqa: ANN401  plain JSON values
        return {
            "computation": f"{self.table}/{VERSION}",
            "dataset": self.dataset.digest,
            "outputs": [reference.id for reference in self.outputs],
            **depends,
        }


@dataclass(frozen=True, kw_only=True)
class CoefficientsReference(_Derived):
    """Every sample's own coefficients."""

    outputs: tuple[OutputsReference, ...]
    expertise: str
    """A measure by name; `oracle`: the cross-entropy against the true labels; `random-…`: drawn, not measured."""
    offset: bool
    judge: OutputsReference | None = None
    """Outputs of the model whose predictions serve as labels, for measures that want them."""
    seed: int | None = None
    """Of what is drawn."""

    table = "coefficients"

    @property
    def column(self) -> str:
        """The column of the outputs that says how unsure a model is."""
        return _COLUMNS[self.expertise]

    @property
    def in_columns(self) -> bool:
        """Whether a column of the outputs says all; other measures need the logits."""
        return self.expertise in _COLUMNS

    @property
    def is_local(self) -> bool:
        """Whether a sample's coefficients follow from a column of that sample alone: no offset, which looks at all."""
        return self.seed is not None or (self.in_columns and not self.with_offset)

    @property
    def with_offset(self) -> bool:
        """Whether the offset has a part: two models, a measure it is made for, and it is wanted."""
        return self.offset and len(self.outputs) == 2 and self.expertise in WITH_OFFSET

    @property
    def identity(self) -> dict[str, Any]:
        """What the coefficients depend on."""
        return self._computation(
            expertise=self.expertise,
            offset=self.with_offset,
            judge=self.judge.id if self.judge else None,
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True)
class MixtureReference(_Derived):
    """Coefficients clustered: every sample has those of its component's mean."""

    coefficients: CoefficientsReference
    components: int | Literal["auto"]
    """K, or the K of lowest BIC."""
    seed: int
    m_step: Literal["moments", "mle"] | None = None
    """How components are fitted; None: by moments for two models, by maximum likelihood for more."""

    table = "mixtures"

    @property
    def outputs(self) -> tuple[OutputsReference, ...]:  # type: ignore[override]  # those of the coefficients
        """The outputs that the coefficients come from."""
        return self.coefficients.outputs

    @property
    def identity(self) -> dict[str, Any]:
        """What the mixture depends on."""
        return self._computation(
            coefficients=self.coefficients.id, components=self.components, seed=self.seed, m_step=self.m_step
        )

    @property
    def components_prefix(self) -> str:
        """Where the table of the components lies."""
        return keys.derived("components", self.dataset.digest, self.id)

    @property
    def components_key(self) -> str:
        """Where that table is."""
        return f"{self.components_prefix}/components.parquet"


@dataclass(frozen=True, kw_only=True)
class BinsReference(_Derived):
    """Coefficients cut into bins: every sample has those of its bin's mean."""

    coefficients: CoefficientsReference
    bins: int
    seed: int
    """Of the k-means that makes the bins of more than two models."""

    table = "bins"

    @property
    def outputs(self) -> tuple[OutputsReference, ...]:  # type: ignore[override]  # those of the coefficients
        """The outputs that the coefficients come from."""
        return self.coefficients.outputs

    @property
    def identity(self) -> dict[str, Any]:
        """What the bins depend on."""
        seed = self.seed if len(self.outputs) > 2 else None
        return self._computation(coefficients=self.coefficients.id, bins=self.bins, seed=seed)


@dataclass(frozen=True, kw_only=True)
class MergeReference(_Derived):
    """Predictions of merged models: one for all samples, one per cluster or bin, or one per sample."""

    outputs: tuple[OutputsReference, ...]
    """Of the models that are merged, the base first."""
    source: tuple[float, ...] | CoefficientsReference | MixtureReference | BinsReference
    """The coefficients of all samples, or the table that holds each sample's."""
    scale: float | None = None
    """Of task vectors: the table holds shares of the models after the base; None: coefficients of all."""

    table = "predictions"

    @property
    def is_local(self) -> bool:
        """Whether it can be evaluated in the pass that extracts: no sample waits for another one's outputs."""
        if any(reference.model.recipe for reference in self.outputs):
            return False  # its weights may be made of what the pass extracts
        return isinstance(self.source, tuple) or (
            isinstance(self.source, CoefficientsReference) and self.source.is_local
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What the predictions depend on: the weights, not the models' temperatures; those act on the coefficients."""
        first = self.outputs[0]
        source = list(self.source) if isinstance(self.source, tuple) else self.source.id
        return {
            "computation": f"merge/{VERSION}",
            "dataset": self.dataset.digest,
            "weights": [reference.model.digest for reference in self.outputs],
            "tower": first.model.identified_tower,
            "head": first.head.digest if first.head else None,
            "precision": first.precision,
            "coefficients": source,
            "scale": self.scale,
        }

    def rows(self, table: Floats) -> Floats:
        """Return coefficients (n, M) of all models, the base first, from the rows of the source's table."""
        return table if self.scale is None else task_vector_coefficients(table, self.scale)


@dataclass(frozen=True, kw_only=True)
class EnsembleReference(_Derived):
    """Predictions of an output ensemble: the models' probabilities, mixed."""

    outputs: tuple[OutputsReference, ...]
    weighting: Literal["uniform", "surest"] | CoefficientsReference
    """Equal shares; all to the model of lowest entropy; or each sample's own coefficients."""

    table = "predictions"

    @property
    def identity(self) -> dict[str, Any]:
        """What the predictions depend on."""
        weighting = self.weighting if isinstance(self.weighting, str) else self.weighting.id
        return self._computation(ensemble=weighting)


PredictionsReference = OutputsReference | MergeReference | EnsembleReference
"""Whatever holds one method's predictions on one data set: a model's own are in its outputs."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method on one data set: a cell of the results table."""

    method: str
    predictions: PredictionsReference
    uses_labels: bool


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Which run of which experiment, and all that its results depend on."""

    experiment: str
    run_id: str
    settings: dict[str, Any]
    checkpoints: tuple[str, ...] = ()
    """Addresses of the models' checkpoints, the base first: where they were found, no part of what they are."""

    @property
    def key(self) -> str:
        """Where the results lie in a store."""
        return keys.results(self.experiment, self.run_id)
