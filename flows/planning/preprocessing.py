"""The preprocessing of an experiment's images: its own settings, else its checkpoints' descriptions, else OpenAI's."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flows.errors import ExperimentError
from flows.experiment.preprocess_settings import PreprocessSettings
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import CheckpointError, ModelMismatch
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD
from tasks.opening.model_descriptions import Described

_FIELDS = ("mean", "std", "interpolation", "resize_mode", "fill")
OPENAI: dict[str, Any] = {
    "mean": list(CLIP_MEAN),
    "std": list(CLIP_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill": 0,
}


class Chosen(NamedTuple):
    """A preprocessing and its origin."""

    preprocessing: Preprocessing
    source: str
    """The origin, in words."""


def choose_preprocessing(
    settings: PreprocessSettings,
    size: int,
    described: Mapping[str, Described | None],
    architecture: str | None,
    recorded: Sequence[Mapping[str, Any]],
) -> Chosen:
    """Return the preprocessing of an experiment's images.

    Args:
        settings: the experiment's own, which take precedence.
        size: side of the square that the models' towers take, pixels.
        described: model name to the description in its header or in a file beside its checkpoint.
        architecture: the open_clip model that the experiment names.
        recorded: the preprocessings of that model's tags.

    Raises:
        ModelMismatch: descriptions of models differ, or ask for another size of images.
        ExperimentError: the architecture has no such tag, or its tags differ and the experiment names none.
    """
    own = {name: value for name in _FIELDS if (value := getattr(settings, name)) is not None}
    described = {name: _usable(found, own) for name, found in described.items()}
    found, source = _default(settings, own, described, architecture, recorded)
    if settings.size is None and (wanted := found.get("size")) not in (None, size):
        raise ModelMismatch(
            f"{source}: images of {wanted} px, but the towers take {size}; set `preprocess.size` to use it all the same"
        )
    values = {name: found[name] for name in _FIELDS} | own
    if own:
        kept = len(own) < len(_FIELDS)
        source = f"{', '.join(own)} as the experiment says{f'; the rest: {source}' if kept else ''}"
    mean, std = ((float(a), float(b), float(c)) for a, b, c in (values["mean"], values["std"]))
    preprocessing = Preprocessing(
        size=size,
        mean=mean,
        std=std,
        interpolation=str(values["interpolation"]),
        resize_mode=str(values["resize_mode"]),
        fill=int(values["fill"]),
    )
    return Chosen(preprocessing, source)


def _usable(found: Described | None, own: Mapping[str, Any]) -> Described | None:
    """Return a description; None in the place of a faulty one if the experiment itself sets every field."""
    if found is None or not isinstance(found.value, CheckpointError):
        return found
    if set(_FIELDS) - set(own) <= {"fill"}:
        return None
    raise found.value


def _default(
    settings: PreprocessSettings,
    own: Mapping[str, Any],
    described: Mapping[str, Described | None],
    architecture: str | None,
    recorded: Sequence[Mapping[str, Any]],
) -> tuple[Mapping[str, Any], str]:
    """Return the values of the fields that the experiment leaves open, and their origin."""
    if settings.tag is not None:
        return _of_tag(settings.tag, architecture, recorded)
    base, found = next(iter(described.items()), ("base", None))
    values, source = (found.value, f"{found.source} model {base}") if found else _recorded(own, architecture, recorded)
    for name, other in described.items():
        if other and _differ(other.value, values, own):
            raise ModelMismatch(
                f"preprocess: {other.source} model {name} and model {base} differ: {_words(other.value)}; "
                f"{_words(values)} ({source}); all models see the same images: set `preprocess` yourself"
            )
    return values, source


def _recorded(
    own: Mapping[str, Any], architecture: str | None, recorded: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], str]:
    """Return the preprocessing of a base without a description: its architecture's, or OpenAI's."""
    recorded = [one for one in recorded if set(one["tags"]) != set(one["unlike"])] or recorded
    if recorded and any(_differ(one, recorded[0], own) for one in recorded):
        kinds = "; ".join(f"{', '.join(one['tags'])}: {_words(one)}" for one in recorded)
        raise ExperimentError(
            f"preprocess: the tags of {architecture} differ; name the one that the models come from as "
            f"preprocess.tag: {kinds}"
        )
    if recorded:
        return recorded[0], f"open_clip's record of {architecture}"
    if architecture is not None:
        return OPENAI, f"open_clip's default, which has no record of {architecture}"
    return OPENAI, "OpenAI's, no file beside the checkpoints says otherwise"


def _of_tag(tag: str, architecture: str | None, recorded: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], str]:
    if architecture is None:
        raise ExperimentError("preprocess.tag: a tag of which model? name its `architecture`")
    for one in recorded:
        if tag in one["unlike"]:
            other = architecture.removesuffix("-quickgelu")
            raise ExperimentError(
                f"preprocess.tag: the weights of {tag} have another activation than {architecture}; name "
                f"{other if other != architecture else f'{architecture}-quickgelu'} as `architecture`"
            )
        if tag in one["tags"]:
            return one, f"open_clip's record of {architecture}, tag {tag}"
    known = ", ".join(name for one in recorded for name in one["tags"])
    raise ExperimentError(f"preprocess.tag: {architecture} has no tag {tag!r}; it has {known or 'none'}")


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    return any(one[name] != other[name] for name in _FIELDS if name not in own)


def _words(pixels: Mapping[str, Any]) -> str:
    mean, std = (json.dumps([round(v, 4) for v in pixels[name]]) for name in ("mean", "std"))
    sides = {"shortest": "shorter side, centre cut out", "longest": "longer side, filled up", "squash": "squashed"}
    return f"{pixels['interpolation']}, {sides[pixels['resize_mode']]}, mean {mean}, std {std}"


def preprocessing_in_words(pixels: Mapping[str, Any]) -> str:
    """Return a preprocessing in words."""
    return f"{pixels['size']} px, {_words(pixels)}"
