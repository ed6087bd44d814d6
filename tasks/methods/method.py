"""The contract of a method: a family of rows in the results, with everything that the system asks about it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from tasks.numerics.checks import Floats
from tasks.numerics.measures import ModelOutputs
from tasks.references.coefficients import CoefficientsReference
from tasks.references.datasets import DatasetReference, Logits, Precision, ScoredDataset
from tasks.references.models import MadeModel, ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference
from tasks.references.results import Cell

if TYPE_CHECKING:  # planning asks methods, and loads no torch
    import torch

    from tasks.methods.making import Making

Outputs = tuple[OutputsReference, ...]
"""The outputs of every model on one data set, the base first."""


class Paper(NamedTuple):
    """The publication that a method comes from."""

    title: str
    venue: str
    year: int
    url: str


class MethodOptions(BaseModel):
    """Options of a method: its own key below `methods` in the experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The part of an experiment that decides which methods exist, and whether they make sense.

    Attributes:
        models: names, the base first.
        datasets: names.
        granularity: how finely DaWin merges, one method each.
        clusters: clusters per data set; `auto`: the number of lowest BIC.
        bins: bins per data set, at most.
        m_step: how clusters are fitted; None: by moments for two models, by maximum likelihood for more.
        precision: of the models' arithmetic.
        logits: the type that logits are stored in; `none`: not at all.
        seed: of everything random.
        options: each method's options, by the method's name; methods without any are left out.
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    granularity: tuple[str, ...] = ()
    clusters: int | Literal["auto"] = 3
    bins: int = 64
    m_step: Literal["moments", "mle"] | None = None
    precision: Precision = "fp32"
    logits: Logits = "fp32"
    seed: int = 1
    options: Mapping[str, MethodOptions]


@dataclass(frozen=True, kw_only=True)
class Context:
    """References that a method's predictions on one data set can be built from.

    Attributes:
        setup: the experiment's choices.
        outputs: of every model on the data set, the base first.
        coefficients: every sample's own coefficients, by the experiment's measure of expertise.
        scale: s of the task vectors; None: models are interpolated.
        everywhere: all data sets of the experiment, for methods that learn from their images.
    """

    setup: Setup
    outputs: Outputs
    coefficients: CoefficientsReference
    scale: float | None
    everywhere: tuple[ScoredDataset, ...]

    @property
    def models(self) -> tuple[ModelReference, ...]:
        """All models, the base first."""
        return tuple(outputs.model for outputs in self.outputs)

    @cached_property
    def by_model(self) -> dict[str, OutputsReference]:
        """The outputs by the name of their model."""
        return {outputs.model.name: outputs for outputs in self.outputs}

    @property
    def compared(self) -> Outputs:
        """The outputs of the models whose expertise is compared: all, or with task vectors those after the base."""
        return self.coefficients.outputs


class Method(ABC):
    """A family of methods. Subclass it, set the class attributes, implement `predictions`.

    Attributes:
        name: the family's name in results and in `baselines`.
        title: its name in prose.
        summary: one sentence for `--help` and the documentation.
        paper: the publication; None: a common baseline without one.
        version: of the arithmetic in `make` and `measure`; raise it when the same inputs come to give other numbers.
        options: the pydantic model of its options.
        per_sample: whether each sample has coefficients of its own, and so a row for each scale of the task vectors.
        needs_logits: whether predictions are computed from stored logits; `logits: none` then refuses the method.
        reads_outputs: whether `make` waits for the stored outputs on the data sets that it looks at, and reads them.
        is_baseline: whether `baselines` asks for it; DaWin's own granularities are asked for by `merge.granularity`.
        short_rows: the members that a short table of results has rows for: each of them, or the best one.
        always_shown: members that it has rows for in any case.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[Paper | None] = None
    version: ClassVar[int] = 1
    options: ClassVar[type[MethodOptions]] = MethodOptions
    per_sample: ClassVar[bool] = False
    needs_logits: ClassVar[bool] = False
    reads_outputs: ClassVar[bool] = True
    is_baseline: ClassVar[bool] = True
    short_rows: ClassVar[Literal["best", "each"]] = "best"
    always_shown: ClassVar[tuple[str, ...]] = ()

    def members(self, setup: Setup) -> Sequence[str]:
        """Return the members that the family's name stands for.

        Args:
            setup: the experiment's choices.

        Returns:
            Members as written after the slash; `""` is the family itself.
        """
        return ("",)

    def has(self, member: str, setup: Setup) -> bool:
        """Return whether a member exists; by default the members that the family's name stands for do.

        Args:
            member: as written after the slash.
            setup: the experiment's choices.
        """
        return member in self.members(setup)

    def refusal(self, member: str, setup: Setup) -> str | None:
        """Return why a member makes no sense in an experiment, worded to follow its name; None if it makes sense.

        Args:
            member: as written after the slash.
            setup: the experiment's choices.
        """
        return None

    def refusal_on(self, dataset: DatasetReference, setup: Setup) -> str | None:
        """Return why a data set makes the method impossible, worded to follow the data set's name; None if none does.

        Args:
            dataset: one of the experiment's data sets, listed.
            setup: the experiment's choices.
        """
        return None

    def leaves_out(self, dataset: DatasetReference, setup: Setup) -> str | None:
        """Return why the results have no row of the method on a data set, such as `no labels`; None if they have one.

        Args:
            dataset: one of the experiment's data sets, listed.
            setup: the experiment's choices.
        """
        return None

    def idle(self, option: str, members: Sequence[str]) -> str | None:
        """Return why an option has no effect on members, worded to follow its name; None if it has one.

        Args:
            option: name of one of the method's options, which the experiment sets.
            members: those that the experiment asks for, as written after the slash.
        """
        return None

    def uses_labels(self, dataset: DatasetReference, setup: Setup) -> bool:
        """Return whether the predictions on a data set depend on its true labels; results and tables are marked.

        Args:
            dataset: one of the experiment's data sets.
            setup: the experiment's choices.
        """
        return False

    def looks_at(self, everywhere: Sequence[ScoredDataset], setup: Setup) -> tuple[ScoredDataset, ...]:
        """Return the data sets whose images the method uses to make its model.

        Args:
            everywhere: all data sets of the experiment.
            setup: the experiment's choices.
        """
        return ()

    @abstractmethod
    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the reference of the table that a member's predictions on one data set lie in.

        Args:
            member: as written after the slash.
            context: references to build it from.
        """

    def make(self, making: "Making") -> "Iterable[tuple[str, torch.Tensor]]":
        """Return a made model's tensors by name, in the base's order; they may be read and merged one by one.

        Args:
            making: the opened models and data sets.

        Raises:
            NotImplementedError: the method makes no model.
        """
        raise NotImplementedError(f"{self.name}: makes no model")

    def measure(self, outputs: ModelOutputs) -> Floats:
        """Return the scores (n, M) of models on samples, for a method that measures expertise by itself.

        A sample's coefficients are the softmax of its scores over the models. A sample's scores must depend on its own
        outputs alone: the method is called with a part of a data set at a time.

        Args:
            outputs: logits and log-probabilities of M models on n samples.

        Raises:
            NotImplementedError: the method has no measure of its own.
        """
        raise NotImplementedError(f"{self.name}: measures nothing")

    def draw(self, member: str, samples: int, models: int, seed: Sequence[int]) -> Floats:
        """Return coefficients (n, M) that are drawn, for a method that measures nothing.

        Args:
            member: as written after the slash.
            samples: n.
            models: M.
            seed: state of the random generator.

        Raises:
            NotImplementedError: the method draws no coefficients.
        """
        raise NotImplementedError(f"{self.name}: draws no coefficients")

    def own_coefficients(self, context: Context) -> CoefficientsReference:
        """Return the reference of every sample's coefficients by the method's own measure."""
        return CoefficientsReference(outputs=context.compared, expertise=self.name, offset=False, version=self.version)

    def full_name(self, member: str) -> str:
        """Return a member's name in results."""
        return f"{self.name}/{member}" if member else self.name

    def cell(self, member: str, context: Context, suffix: str = "") -> Cell:
        """Return the cell of a member on one data set.

        Raises:
            TypeError: the predictions are a made model's outputs, which nothing computes.
        """
        predictions = self.predictions(member, context)
        if isinstance(predictions, OutputsReference) and predictions.model.made:
            raise TypeError(f"{self.name}: wanted static_merge of the made model, got its outputs")
        name, uses_labels = self.full_name(member), self.uses_labels(context.outputs[0].dataset, context.setup)
        return Cell(method=f"{name}{suffix}", predictions=predictions, uses_labels=uses_labels)

    def made_model(
        self,
        models: tuple[ModelReference, ...],
        member: str = "",
        options: Mapping[str, float | int | str] | None = None,
        looks_at: tuple[ScoredDataset, ...] = (),
    ) -> MadeModel:
        """Return the reference of the model that `make` makes of other models' weights.

        Args:
            models: the base first.
            member: of the family, if members differ in their weights.
            options: everything beside models and data sets that the weights depend on.
            looks_at: the data sets whose images it uses.
        """
        name, given = self.full_name(member), tuple(sorted((options or {}).items()))
        return MadeModel(method=name, version=self.version, models=models, options=given, looks_at=looks_at)

    def options_in(self, setup: Setup) -> Any:
        """Return the family's options in an experiment."""
        return setup.options.get(self.name) or self.options()
