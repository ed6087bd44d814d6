"""The experiment file: what is merged, on which data, and what it is compared with."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

from flows.errors import ExperimentError
from flows.methods import existing, matching
from flows.overrides import apply_override
from storage.filesystem import absolute
from tasks.reading import Reading
from tasks.references import Precision

_NAMED = Path(__file__).parent / "experiments"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SLUG = r"^[a-z][a-z0-9._-]*$"  # begins with a letter: a hive partition of digits alone would be read as a number


Channel = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelSettings(_Settings):
    """One model of the merge."""

    name: str = Field(pattern=_SLUG)
    """How results call it."""
    checkpoint: str = Field(min_length=1)
    """Address of the checkpoint: a path, `file://` or `s3://`."""
    temperature: float = Field(default=1.0, ge=0.01, le=100, strict=True)
    """Divides the logits before the entropy; from calibration on labelled in-distribution data."""
    source: str | None = None
    """Where it can be had, in words; told when the file is missing."""


class DatasetSettings(_Settings):
    """One data set to evaluate on."""

    name: str = Field(pattern=_SLUG)
    """How results call it."""
    images: str = Field(min_length=1)
    """Address of an image folder: one directory per class, or images without labels."""
    group: str = Field(default="ood", pattern=_SLUG)
    """Data sets of a group are averaged at display; `id` and `ood` by custom."""
    label_space: Literal["imagenet-1k", "imagenet-r", "imagenet-a", "objectnet"] | None = None
    """How the head's classes map to the data set's; null: they are the same."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many samples, spread evenly over the data set."""
    source: str | None = None
    """Where it can be had, in words; told when the folder is missing."""


class PreprocessSettings(_Settings):
    """From image to tensor; null: what the architecture was trained with."""

    size: int | None = Field(default=None, ge=1)
    """Pixels, of the square; a tower whose positions are learnt takes its own size only."""
    mean: tuple[Channel, Channel, Channel] | None = None
    """Of each channel, on a scale of 0 to 1."""
    std: tuple[Positive, Positive, Positive] | None = None
    """Of each channel, on a scale of 0 to 1."""
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    """Of the resizing."""


class MergeSettings(_Settings):
    """How the weights are interpolated."""

    kind: Literal["interpolation"] = "interpolation"
    """`interpolation`: θ = Σ c_m θ_m with c on the simplex."""
    expertise: Literal["entropy"] = "entropy"
    """What a model's expertise on a sample is judged by."""
    offset: bool = True
    """Offset adjustment of the coefficients; defined for two models, plays no part with more."""
    granularity: tuple[Literal["clusters", "bins", "samples"], ...] = ("clusters",)
    """One merged model per cluster, per bin of near coefficients, per sample: any of them."""
    clusters: StrictInt | Literal["auto"] = 3
    """Number of clusters a data set; `auto` takes the lowest BIC."""
    bins: StrictInt = Field(default=64, ge=1)
    """Number of bins a data set, at most; those that no sample falls into cost nothing."""

    @field_validator("clusters")
    @classmethod
    def _at_least_one(cls, value: int | Literal["auto"]) -> int | Literal["auto"]:
        if value != "auto" and value < 1:
            raise ValueError(f"wanted at least 1 or auto, got {value}")
        return value


class Experiment(_Settings):
    """An experiment. Published with the results: whoever has it and the inputs gets the same numbers."""

    name: str = Field(pattern=_SLUG)
    """How results call it."""
    architecture: str | None = None
    """An open_clip model; null: the vision tower is inferred from the checkpoints' tensors."""
    models: tuple[ModelSettings, ...] = Field(min_length=2)
    """Order matters: the first is the base (pre-trained, zero-shot)."""
    heads: dict[str, str] = Field(default_factory=dict)
    """Data set name to address of a head, where the heads are not inside the checkpoints."""
    datasets: tuple[DatasetSettings, ...] = Field(min_length=1)
    """What is evaluated on."""
    preprocess: PreprocessSettings = PreprocessSettings()
    merge: MergeSettings = MergeSettings()
    baselines: tuple[str, ...] = ("individual", "wise-ft")
    """Methods, or families of methods, to compare with."""
    precision: Precision = "fp32"
    """Of the models' arithmetic."""
    logits: Literal["fp32", "fp16"] = "fp32"
    """How logits are stored; entropies and scores are computed before."""
    batch_size: int = Field(default=256, ge=1)
    """Images at a time; does not change results beyond rounding."""
    workers: int | None = Field(default=None, ge=0)
    """Decoding processes; null: one a core."""
    image_cache_gib: float = Field(default=0, ge=0, allow_inf_nan=False)
    """GiB of decoded images kept on the disk of the machine that decodes, so that a second pass need not; 0: none."""
    seed: int = Field(default=1, ge=0)
    """Of the mixtures' starts."""

    @model_validator(mode="after")
    def _names(self) -> "Experiment":
        faults = []
        if len(set(self.merge.granularity)) < len(self.merge.granularity):
            faults.append(f"merge.granularity: each at most once, got {', '.join(self.merge.granularity)}")
        if not self.merge.granularity and not self.baselines:
            faults.append("merge.granularity, baselines: both empty, there is nothing to evaluate")
        for kind, names in (("models", self.models), ("datasets", self.datasets)):
            seen = [item.name for item in names]
            faults += [
                f"{kind}: name {n!r} is there {seen.count(n)} times" for n in sorted(set(seen)) if seen.count(n) > 1
            ]
        known, models = [dataset.name for dataset in self.datasets], [model.name for model in self.models]
        faults += [f"heads: no data set {n!r}; there are {', '.join(known)}" for n in self.heads if n not in known]
        faults += [
            f"baselines: no method {name!r}; {existing(name, models)}"
            for name in self.baselines
            if not matching(name, models)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def reading(self) -> Reading:
        """How images are read."""
        cache = int(self.image_cache_gib * 2**30)
        return Reading(batch_size=self.batch_size, workers=self.workers, cache_bytes=cache)

    def on(self, dataset: str) -> "Experiment":
        """Return the same experiment on one of its data sets alone."""
        heads = {name: head for name, head in self.heads.items() if name == dataset}
        return self.model_copy(
            update={"datasets": tuple(d for d in self.datasets if d.name == dataset), "heads": heads}
        )

    def models_on(self, dataset: str) -> "Experiment":
        """Return the models alone on one data set: nothing merged, nothing compared with that needs labels."""
        return self.on(dataset).model_copy(update={"baselines": ("individual",)})


def load_experiment(path: str, overrides: tuple[str, ...] = ()) -> Experiment:
    """Return the experiment of a YAML file, or a named one, with `key=value` settings over it.

    Addresses in the file count from the file's folder, those of a named experiment and in overrides from the working
    directory. `${NAME}` in an address stands for the environment's variable.

    Raises:
        ExperimentError: there is no such file, it is not YAML, or settings are wrong (all faults at once).
    """
    file = Path(path)
    if path in named_experiments():
        file = _NAMED / f"{path}.yaml"
    if not file.is_file():
        near = ", ".join(str(p) for p in sorted(Path(file.parent).glob("*.y*ml"))) or "no YAML files there"
        names = ", ".join(named_experiments())
        raise ExperimentError(f"experiment {path}: no such file; there are: {near}; by name: {names}")
    try:
        content = yaml.load(file.read_text(), _Strict)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ExperimentError(f"experiment {path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ExperimentError(f"experiment {path}: wanted a mapping of settings, got {type(content).__name__}")
    _fill_in(content, path)
    _resolve(content, Path.cwd() if file.parent == _NAMED else file.resolve().parent)
    for override in overrides:
        apply_override(content, override)
    _resolve(content, Path.cwd())
    return parse_experiment(content, path)


def named_experiments() -> list[str]:
    """Return the names of the experiments that come with the project."""
    return sorted(file.stem for file in _NAMED.glob("*.yaml"))


def _fill_in(content: dict[str, Any], where: str) -> None:
    """Put the environment's variables into the addresses; all that are not set are named at once."""
    unset: dict[str, str] = {}
    for section, name in (("models", "checkpoint"), ("datasets", "images")):
        items = content.get(section)
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(address := item.get(name), str):
                for variable in set(_VARIABLE.findall(address)) - set(os.environ):
                    unset.setdefault(variable, address)
                item[name] = _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), address)
    if unset:
        told = "; ".join(f"{name} is not set, wanted for {address}" for name, address in unset.items())
        raise ExperimentError(f"experiment {where}: {told}")


class _Strict(yaml.SafeLoader):
    """Refuses a setting that is there twice; plain YAML silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See yaml."""
        names = [key.value for key, _ in node.value]
        if twice := sorted({name for name in names if names.count(name) > 1}, key=str):
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_experiment(content: dict[str, Any], where: str) -> Experiment:
    """Return the experiment of plain values; `ExperimentError` lists all faults, by setting."""
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        details = error.errors()
        # an item that is wrong is left out by the validation, which then finds the list too short
        wrong = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
        told = [d for d in details if not (d["type"] == "too_short" and d["loc"][0] in wrong)]
        faults = dict.fromkeys(_fault(detail) for detail in told)
        raise ExperimentError(f"experiment {where}: {'; '.join(faults)}") from error


def _fault(detail: Any) -> str:  # noqa: ANN401  pydantic's typed dict
    place = ".".join(str(part) for part in detail["loc"] if part not in ("int", "literal['auto']"))
    if detail["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    message = re.sub("^Value error, ", "", detail["msg"])
    told = isinstance(detail["input"], dict | list) or detail["type"] == "missing" or "got " in message
    shown = "" if told else f" (got {detail['input']!r})"
    return f"{place}: {message}{shown}" if place else message


def _resolve(content: dict[str, Any], base: Path) -> None:
    """Make every address absolute; what is not an address is left for the validation to refuse."""
    for section, name in (("models", "checkpoint"), ("datasets", "images")):
        items = content.get(section)
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(item.get(name), str) and item[name]:
                item[name] = absolute(item[name], base)
    heads = content.get("heads")
    if isinstance(heads, dict):
        content["heads"] = {k: absolute(v, base) if isinstance(v, str) else v for k, v in heads.items()}
