"""Coefficients by reference: every sample's own, clustered by a mixture, or cut into bins."""

from dataclasses import dataclass
from typing import Any, Literal

from storage import keys
from tasks.numerics.measures import WITH_OFFSET
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.references.tables import TableReference
from tasks.references.versions import computation


@dataclass(frozen=True, kw_only=True)
class CoefficientsReference(TableReference):
    """Every sample's own merge coefficients."""

    outputs: tuple[OutputsReference, ...]
    """Of the models whose expertise is compared."""
    expertise: str
    """A measure by name, or the method that decides the coefficients by itself."""
    column: Literal["entropy", "loss"] | None = None
    """The column of the outputs whose negative is the score; None: the measure needs the logits."""
    offset: bool
    judge: OutputsReference | None = None
    """Outputs of the model whose predictions serve as labels, for measures that want labels."""
    seed: int | None = None
    """Of coefficients that the method draws; None: they are measured."""
    version: int | None = None
    """Of the method that measures or draws; None: a measure of `tasks.numerics.measures`."""
    fitted_on: "CoefficientsReference | None" = None
    """Coefficients on the data set whose samples the offset is computed from; None: these samples."""

    table = "coefficients"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.outputs[0].dataset

    @property
    def is_local(self) -> bool:
        """Whether one sample's outputs decide its coefficients; their own offset needs the outputs of all samples."""
        has_offset = not self.with_offset or self.fitted_on is not None
        return self.seed is not None or (self.column is not None and has_offset)

    @property
    def needs_logits(self) -> bool:
        """Whether they are computed from logits: no column of the outputs holds the scores, and none are drawn."""
        return self.column is None and self.seed is None

    @property
    def with_offset(self) -> bool:
        """Whether the offset is applied: the experiment asks for it, with two models and a measure that defines one."""
        return self.offset and len(self.outputs) == 2 and self.expertise in WITH_OFFSET

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the coefficients depend on."""
        return {
            "computation": computation("coefficients"),
            "dataset": self.dataset.digest,
            "outputs": [outputs.content_id for outputs in self.outputs],
            "expertise": self.expertise,
            "offset": self.with_offset,
            "judge": self.judge.content_id if self.judge else None,
            "seed": self.seed,
            **({} if self.version is None else {"version": self.version}),
            **({"fitted_on": self.fitted_on.content_id} if self.fitted_on and self.with_offset else {}),
        }


@dataclass(frozen=True, kw_only=True)
class MixtureReference(TableReference):
    """Coefficients clustered by a mixture: every sample gets the mean of its cluster."""

    coefficients: CoefficientsReference
    components: int | Literal["auto"]
    """K; `auto`: the K of lowest BIC."""
    seed: int
    m_step: Literal["moments", "mle"] | None = None
    """How components are fitted; None: by moments for two models, by maximum likelihood for more."""
    fitted_on: "MixtureReference | None" = None
    """The mixture of another data set, whose components these samples are assigned to; None: it is fitted to them."""

    table = "mixtures"
    tables = ("mixtures", "components")

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.coefficients.dataset

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the mixture depends on."""
        return {
            "computation": computation("mixtures"),
            "coefficients": self.coefficients.content_id,
            "components": self.components,
            "seed": self.seed,
            "m_step": self.m_step,
            **({"fitted_on": self.fitted_on.content_id} if self.fitted_on else {}),
        }

    @property
    def is_local(self) -> bool:
        """Whether one sample's outputs decide its cluster."""
        return self.fitted_on is not None and self.coefficients.is_local

    @property
    def components_key(self) -> str:
        """Key of the table of components in a store."""
        if self.fitted_on:
            return self.fitted_on.components_key
        return f"{keys.derived('components', self.dataset.digest, self.id)}/components.parquet"


@dataclass(frozen=True, kw_only=True)
class BinsReference(TableReference):
    """Coefficients cut into bins: every sample gets the mean of its bin."""

    coefficients: CoefficientsReference
    bins: int
    seed: int
    """Of the k-means that makes the bins of more than two models."""
    fitted_on: "BinsReference | None" = None
    """The bins of another data set, which these samples are put into; None: they are made for these samples."""

    table = "bins"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.coefficients.dataset

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the bins depend on."""
        return {
            "computation": computation("bins"),
            "coefficients": self.coefficients.content_id,
            "bins": self.bins,
            "seed": self.seed if len(self.coefficients.outputs) > 2 else None,
            **({"fitted_on": self.fitted_on.content_id} if self.fitted_on else {}),
        }


FittedReference = CoefficientsReference | MixtureReference | BinsReference
"""A table that is fitted to a whole data set and holds each sample's coefficients."""
