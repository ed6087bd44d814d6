"""The settings of an experiment: what is merged, on which data, and what it is compared with."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, field_validator, model_validator

from flows.experiment.input_settings import ZERO_SHOT, DatasetSettings, ModelSettings, TextHeadSettings
from flows.experiment.merge_settings import MergeSettings
from flows.experiment.method_settings import MethodsSettings
from flows.experiment.names import faults_of_names, is_pattern
from flows.experiment.preprocess_settings import PreprocessSettings
from flows.experiment.published_settings import PublishedSettings
from flows.experiment.setting_types import MOST_ITEMS, Address, Name, Settings, Words
from tasks.methods.method import Setup
from tasks.methods.registry import Member, matching
from tasks.references.datasets import Logits, Precision
from tasks.streaming.reading import Reading


class Experiment(Settings):
    """An experiment. Published with its results: the same file and the same inputs give the same numbers."""

    name: Name
    """Name in results."""
    architecture: str | None = None
    """An open_clip model; null: the checkpoints' tensors, or the files beside them, decide."""
    models: tuple[ModelSettings, ...] = Field(min_length=2, max_length=MOST_ITEMS)
    """The base (pre-trained, zero-shot) first."""
    heads: dict[Words, Address | TextHeadSettings] = Field(default_factory=dict, max_length=MOST_ITEMS)
    """Heads outside the checkpoints by data set (`*`: all others): an address, `zero-shot`, or the parts to make one
    of."""
    datasets: tuple[DatasetSettings, ...] = Field(min_length=1, max_length=MOST_ITEMS)
    """Data sets to evaluate on."""
    preprocess: PreprocessSettings = PreprocessSettings()
    merge: MergeSettings = MergeSettings()
    methods: MethodsSettings = Field(default_factory=MethodsSettings)
    """Options of methods that `baselines` names, by method."""
    baselines: tuple[Words, ...] = Field(default=("individual", "wise-ft"), max_length=MOST_ITEMS)
    """Methods, or families of methods, to compare with."""
    published: tuple[PublishedSettings, ...] = Field(default=(), max_length=MOST_ITEMS)
    """Published numbers that results show beside the measured ones, each with its source."""
    precision: Precision = "fp32"
    """Precision of the models' arithmetic."""
    logits: Logits = "fp32"
    """Type that logits are stored in, `none`: not at all; entropies and losses are computed before."""
    batch_size: int = Field(default=256, ge=1)
    """Images per batch; changes results by no more than rounding."""
    samples_per_run: Annotated[StrictInt, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Samples that one worker of a pool takes at a time, rounded up to whole objects; `auto`: minutes of work, by the
    speed measured so far; null: the whole data set."""
    workers: int | None = Field(default=None, ge=0)
    """Decoding processes; null: one per core."""
    image_cache_gib: float = Field(default=0, ge=0, allow_inf_nan=False)
    """GiB of decoded images kept on the decoding machine's disk for a second pass; 0: none."""
    seed: int = Field(default=1, ge=0)
    """Seed of everything random."""

    @field_validator("heads", mode="before")
    @classmethod
    def _spelt_out(cls, value: Any) -> Any:  # noqa: ANN401  whatever the file holds
        made: dict[str, dict[str, str]] = {ZERO_SHOT: {}}
        return (
            {k: made.get(v, v) if isinstance(v, str) else v for k, v in value.items()}
            if isinstance(value, dict)
            else value
        )

    @model_validator(mode="after")
    def _names(self) -> "Experiment":
        if faults := faults_of_names(self):
            raise ValueError("; ".join(fault.text for fault in faults))
        return self

    @property
    def watched(self) -> ModelSettings | None:
        """The model whose checkpoint is a pattern: each file that matches it is an experiment of its own."""
        return next((model for model in self.models if is_pattern(model.checkpoint)), None)

    def with_checkpoint(self, checkpoint: str) -> "Experiment":
        """Return the experiment with one checkpoint in the pattern's place."""
        models = tuple(
            model.model_copy(update={"checkpoint": checkpoint}) if model == self.watched else model
            for model in self.models
        )
        return self.model_copy(update={"models": models})

    @property
    def setup(self) -> Setup:
        """The part of the experiment that methods ask for."""
        return Setup(
            models=tuple(model.name for model in self.models),
            datasets=tuple(dataset.name for dataset in self.datasets),
            granularity=self.merge.granularity,
            clusters=self.merge.clusters,
            bins=self.merge.bins,
            m_step=self.merge.m_step,
            precision=self.precision,
            logits=self.logits,
            seed=self.seed,
            options=self.methods.by_method,
        )

    @property
    def members(self) -> list[Member]:
        """The methods that `baselines` names, each once, in the order given."""
        setup = self.setup
        return list(dict.fromkeys(member for name in self.baselines for member in matching(name, setup)))

    @property
    def reading(self) -> Reading:
        """How images are read."""
        cache = int(self.image_cache_gib * 2**30)
        return Reading(batch_size=self.batch_size, workers=self.workers, cache_bytes=cache)

    def tuned_on(self, dataset: str) -> str | None:
        """Return the name of the model that was fine-tuned on a data set; None if none was, as far as it is known."""
        given = next((one.tuned_model for one in self.datasets if one.name == dataset), None)
        tuned = [model.name for model in self.models[1:]]
        return given or (dataset if dataset in tuned else None)

    def head_of(self, dataset: str) -> str | TextHeadSettings | None:
        """Return the head of a data set: an address, or the parts to make one of; None: the checkpoints hold it."""
        return self.heads.get(dataset, self.heads.get("*"))

    def models_on(self, dataset: str) -> "Experiment":
        """Return the experiment reduced to every model by itself on one of its data sets."""
        heads = {name: head for name, head in self.heads.items() if name in (dataset, "*")}
        return self.model_copy(
            update={
                "datasets": tuple(d for d in self.datasets if d.name == dataset),
                "heads": heads,
                "merge": self.merge.model_copy(update={"granularity": ()}),
                "baselines": ("individual",),
                "methods": MethodsSettings(),
                "published": (),
                "logits": "fp32" if self.logits == "none" else self.logits,  # a temperature is fitted to them
            }
        )
