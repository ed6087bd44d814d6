"""The settings of an experiment: what is merged, on which data, and what it is compared with."""

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator, model_validator

from flows.experiment.setting_types import MOST_ITEMS, Address, Channel, Name, Positive, Scale, Words
from flows.planning.methods import LOOKING, Setup, fault
from tasks.datasets.catalogue import CATALOGUE, Record
from tasks.references.base import Precision
from tasks.streaming.reading import Reading

ZERO_SHOT = "zero-shot"  # a head made of the catalogue's class names and prompt templates

Expertise = Literal[
    "entropy", "loss", "loss-hard", "loss-merged", "loss-merged-hard", "max-logit", "confidence", "margin"
]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelSettings(_Settings):
    """One model of the merge."""

    name: Name
    """How results call it."""
    checkpoint: Address
    """Address of the checkpoint: a path, `file://`, `s3://` or `hf://`; `s3://bucket/finetuned/*`: what `dawin watch`
    finds there."""
    temperature: float = Field(default=1.0, ge=0.01, le=100, strict=True)
    """Divides the logits before the entropy; from calibration on labelled in-distribution data."""
    source: Words | None = None
    """Where it can be had, in words; told when the file is missing."""


class DatasetSettings(_Settings):
    """One data set to evaluate on."""

    name: Name
    """How results call it."""
    images: Address
    """Address of an image folder, Parquet files, tar shards, or of what torchvision downloads; `test-*.parquet` too."""
    catalogue: str | None = None
    """Which public data set it is: sets group and label space, and says how many samples there should be."""
    group: Name | None = None
    """Data sets of a group are averaged at display; null: the catalogue's, else `ood`."""
    label_space: Literal["imagenet-1k", "imagenet-r", "imagenet-a", "objectnet", "own"] | None = None
    """How the head's classes map to the data set's; `own`: they are the same; null: the catalogue's, else `own`."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many samples, spread evenly over the data set."""
    source: Words | None = None
    """Where it can be had, in words; told when the folder is missing; null: the catalogue's."""

    @field_validator("catalogue")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in CATALOGUE:
            raise ValueError(f"no data set {value!r} in the catalogue; there are {', '.join(CATALOGUE)}")
        return value

    @property
    def record(self) -> Record | None:
        """What the catalogue says of it."""
        return CATALOGUE[self.catalogue] if self.catalogue else None

    @property
    def scored_group(self) -> str:
        """The group it counts for."""
        return self.group or (self.record.group if self.record else "ood")

    @property
    def scored_space(self) -> str | None:
        """The label space it is scored in; None: its own."""
        space = self.label_space or (self.record.label_space if self.record else None)
        return None if space == "own" else space

    @property
    def told_source(self) -> str | None:
        """Where it can be had, in words."""
        return self.source or (self.record.source if self.record else None)


class TextHeadSettings(_Settings):
    """A head made by a CLIP's text tower of the names of the classes and prompt templates."""

    text: Address | None = None
    """Address of a checkpoint with a text tower; null: the first model's."""
    classes: tuple[Words, ...] | None = Field(default=None, min_length=1, max_length=100_000)
    """Names of the classes, in the order of the labels; null: those of the catalogue's data set."""
    templates: tuple[Words, ...] | None = Field(default=None, min_length=1, max_length=MOST_ITEMS)
    """Prompts with `{}` where the name goes; null: those of the catalogue's data set."""

    @field_validator("templates")
    @classmethod
    def _with_a_place(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for template in value or ():
            if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
                raise ValueError(f"wanted one {{}} where the name goes, got {template!r}")
        return value


class PreprocessSettings(_Settings):
    """From image to tensor. Null: as the files beside the checkpoints say, else open_clip's record of the named
    architecture, else OpenAI's."""

    size: int | None = Field(default=None, ge=1)
    """Pixels, of the square; a tower whose positions are learnt takes its own size only."""
    mean: tuple[Channel, Channel, Channel] | None = None
    """Of each channel, on a scale of 0 to 1."""
    std: tuple[Positive, Positive, Positive] | None = None
    """Of each channel, on a scale of 0 to 1."""
    interpolation: Literal["bicubic", "bilinear"] | None = None
    """Of the resizing."""
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    """`shortest` side to `size`, then the centre; `longest` side to `size`, then filled up; `squash`: both sides."""
    fill: int | None = Field(default=None, ge=0, le=255)
    """Level of what `longest` fills."""
    tag: str | None = None
    """Pretrained tag of the named `architecture` whose preprocessing is meant, as open_clip records it."""


class AdaMergingSettings(_Settings):
    """Entropy minimisation on unlabelled images of all data sets, by Adam."""

    steps: int = Field(default=500, ge=1)
    """Each on one batch of every data set."""
    batch_size: int = Field(default=16, ge=1)
    """Images a data set and step."""
    rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate."""
    start: float = Field(default=0.3, ge=0, le=1)
    """Of every coefficient."""


class MergeSettings(_Settings):
    """How the weights are interpolated."""

    kind: Literal["interpolation", "task-vectors"] = "interpolation"
    """`interpolation`: θ = Σ c_m θ_m with c on the simplex; `task-vectors`: θ = θ_0 + s·M·Σ π_t (θ_t − θ_0)."""
    expertise: Expertise = "entropy"
    """What a model's expertise on a sample is judged by."""
    offset: bool = True
    """Offset adjustment of the coefficients; defined for two models, plays no part with more."""
    granularity: tuple[Literal["clusters", "bins", "samples"], ...] = ("clusters",)
    """One merged model per cluster, per bin of near coefficients, per sample: any of them."""
    clusters: StrictInt | Literal["auto"] = 3
    """Number of clusters a data set; `auto` takes the lowest BIC."""
    m_step: Literal["moments", "mle"] | None = None
    """How clusters are fitted; null: by moments for two models, as published, by maximum likelihood for more."""
    scale: tuple[Scale, ...] = Field(default=(0.3,), max_length=MOST_ITEMS)
    """s of the task vectors: one, or several to compare; plays no part in interpolation."""
    bins: StrictInt = Field(default=64, ge=1)
    """Number of bins a data set, at most; those that no sample falls into cost nothing."""

    held_out: str | None = None
    """Labelled data set that the greedy soup chooses by."""
    ties_keep: float = Field(default=0.2, gt=0, le=1)
    """Share of each task vector's numbers that TIES keeps, the largest; `…++` of AdaMerging too."""
    adamerging: AdaMergingSettings = AdaMergingSettings()
    """Training of AdaMerging's coefficients."""

    @field_validator("scale", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:  # noqa: ANN401  whatever the file holds
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("scale")
    @classmethod
    def _told_apart(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or len({f"{scale:.2f}" for scale in value}) < len(value):
            raise ValueError(f"wanted one scale or several that differ in two decimals, got {list(value)}")
        return value

    @field_validator("clusters")
    @classmethod
    def _at_least_one(cls, value: int | Literal["auto"]) -> int | Literal["auto"]:
        if value != "auto" and value < 1:
            raise ValueError(f"wanted at least 1 or auto, got {value}")
        return value


class Experiment(_Settings):
    """An experiment. Published with the results: whoever has it and the inputs gets the same numbers."""

    name: Name
    """How results call it."""
    architecture: str | None = None
    """An open_clip model; null: the vision tower is inferred from the checkpoints' tensors."""
    models: tuple[ModelSettings, ...] = Field(min_length=2, max_length=MOST_ITEMS)
    """Order matters: the first is the base (pre-trained, zero-shot)."""
    heads: dict[Words, Address | TextHeadSettings] = Field(default_factory=dict, max_length=MOST_ITEMS)
    """Data set name (`*`: all others) to a head, where it is not inside the checkpoints: its address, `zero-shot`, or
    what to make it of."""
    datasets: tuple[DatasetSettings, ...] = Field(min_length=1, max_length=MOST_ITEMS)
    """What is evaluated on."""
    preprocess: PreprocessSettings = PreprocessSettings()
    merge: MergeSettings = MergeSettings()
    baselines: tuple[Words, ...] = Field(default=("individual", "wise-ft"), max_length=MOST_ITEMS)
    """Methods, or families of methods, to compare with."""
    precision: Precision = "fp32"
    """Of the models' arithmetic."""
    logits: Literal["fp32", "fp16"] = "fp32"
    """How logits are stored; entropies and scores are computed before."""
    batch_size: int = Field(default=256, ge=1)
    """Images at a time; does not change results beyond rounding."""
    samples_per_run: int | None = Field(default=None, ge=1)
    """Samples that one worker of a pool takes at a time, rounded up to whole objects; null: the whole data set."""
    workers: int | None = Field(default=None, ge=0)
    """Decoding processes; null: one a core."""
    image_cache_gib: float = Field(default=0, ge=0, allow_inf_nan=False)
    """GiB of decoded images kept on the disk of the machine that decodes, so that a second pass need not; 0: none."""
    seed: int = Field(default=1, ge=0)
    """Of the mixtures' starts."""

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
        faults = []
        if len(set(self.merge.granularity)) < len(self.merge.granularity):
            faults.append(f"merge.granularity: each at most once, got {', '.join(self.merge.granularity)}")
        if not self.merge.granularity and not self.baselines:
            faults.append("merge.granularity, baselines: both empty, there is nothing to evaluate")
        for kind, items in (("models", self.models), ("datasets", self.datasets)):
            seen = Counter(item.name for item in items)
            faults += [f"{kind}: name {n!r} is there {times} times" for n, times in sorted(seen.items()) if times > 1]
        known, models = [dataset.name for dataset in self.datasets], [model.name for model in self.models]
        faults += [
            f"heads: no data set {n!r}; there are {', '.join(known)}" for n in self.heads if n not in (*known, "*")
        ]
        if self.merge.held_out not in (None, *known):
            faults.append(f"merge.held_out: no data set {self.merge.held_out!r}; there are {', '.join(known)}")
        if self.merge.kind == "task-vectors" and len(models) < 3:
            faults.append(
                f"merge.kind: task-vectors needs a base and at least two tasks, there are {len(models)} models"
            )
        faults += [f"baselines: {reason}" for name in self.baselines if (reason := fault(name, self.setup))]
        patterns = [model.name for model in self.models if "*" in model.checkpoint.rpartition("/")[2]]
        if len(patterns) > 1 or self.models[0].name in patterns:
            faults.append(f"models: one checkpoint may be a pattern, and not the base's; {', '.join(patterns)} are")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def landing(self) -> ModelSettings | None:
        """The model whose checkpoint is a pattern: each file that matches it is an experiment of its own."""
        return next((model for model in self.models if "*" in model.checkpoint.rpartition("/")[2]), None)

    def landed(self, checkpoint: str) -> "Experiment":
        """Return the experiment with one checkpoint in the pattern's place."""
        models = tuple(
            model.model_copy(update={"checkpoint": checkpoint}) if model == self.landing else model
            for model in self.models
        )
        return self.model_copy(update={"models": models})

    @property
    def setup(self) -> Setup:
        """What decides which methods there are."""
        return Setup(tuple(model.name for model in self.models), self.merge.held_out)

    @property
    def reading(self) -> Reading:
        """How images are read."""
        cache = int(self.image_cache_gib * 2**30)
        return Reading(batch_size=self.batch_size, workers=self.workers, cache_bytes=cache)

    def head_of(self, dataset: str) -> str | TextHeadSettings | None:
        """Return the head of a data set: an address, or what to make it of; None: the checkpoints hold it."""
        return self.heads.get(dataset, self.heads.get("*"))

    @property
    def looks_everywhere(self) -> bool:
        """Whether a method makes its model by a look at other data sets than the one at hand."""
        return any(name.split("/", 1)[0] in LOOKING for name in self.baselines)

    def on(self, dataset: str) -> "Experiment":
        """Return the same experiment on one of its data sets alone."""
        heads = {name: head for name, head in self.heads.items() if name in (dataset, "*")}
        return self.model_copy(
            update={"datasets": tuple(d for d in self.datasets if d.name == dataset), "heads": heads}
        )

    def models_on(self, dataset: str) -> "Experiment":
        """Return the models alone on one data set: nothing merged, nothing compared with that needs labels."""
        return self.on(dataset).model_copy(update={"baselines": ("individual",)})
