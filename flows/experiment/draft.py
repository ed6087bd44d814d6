"""A faulty experiment file: its valid part, so that names and inputs are checked although other settings are wrong."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from flows.errors import Fault
from flows.experiment.input_settings import DatasetSettings, ModelSettings, TextHeadSettings
from flows.experiment.merge_settings import MergeSettings
from flows.experiment.method_settings import MethodsSettings
from flows.experiment.names import Known, faults_of_names
from flows.experiment.preprocess_settings import PreprocessSettings
from flows.experiment.published_settings import PublishedSettings
from flows.experiment.schema_words import Schema
from flows.experiment.setting_types import Address
from flows.experiment.settings import Experiment
from flows.experiment.wording import faults_in
from tasks.references.datasets import Logits

T = TypeVar("T", bound=BaseModel)

_HEAD: TypeAdapter[Any] = TypeAdapter(Address | TextHeadSettings)


@cache
def _schema() -> Schema:
    return Schema(Experiment.model_json_schema())


def valid_part(content: Mapping[str, Any]) -> Experiment:
    """Return the valid settings of a faulty file as an experiment; invalid items are missing, others have defaults."""
    heads = {name: _head(value) for name, value in _mapping(content, "heads").items() if isinstance(name, str)}
    return Experiment.model_construct(
        name="unnamed",
        architecture=architecture if isinstance(architecture := content.get("architecture"), str) else None,
        models=tuple(filter(None, (_valid(ModelSettings, item) for item in _items(content, "models")))),
        datasets=tuple(filter(None, (_valid(DatasetSettings, item) for item in _items(content, "datasets")))),
        heads={name: head for name, head in heads.items() if head is not None},
        merge=_valid(MergeSettings, content.get("merge", {})) or MergeSettings(),
        methods=_valid(MethodsSettings, content.get("methods", {})) or MethodsSettings(),
        preprocess=_valid(PreprocessSettings, content.get("preprocess", {})) or PreprocessSettings(),
        baselines=tuple(name if isinstance(name, str) else "" for name in _baselines(content)),
        logits=logits if (logits := content.get("logits")) in get_args(Logits) else "fp32",
        published=tuple(_published(item) for item in _items(content, "published")),
    )


def faults_of(content: Mapping[str, Any], error: ValidationError) -> list[Fault]:
    """Return the faults of settings and names that a validation found, in the order of the file.

    Args:
        content: the settings.
        error: of their validation.
    """
    details = [detail for detail in error.errors() if detail["loc"]]  # the others are of names, which follow
    faults = faults_in(details, _schema(), content)
    wrong = {str(fault.path[1]) for fault in faults if fault.path[:1] == ("methods",) and len(fault.path) > 1}
    known = Known(_names(content, "models", 2), _names(content, "datasets", 1), frozenset(wrong))
    found = [fault for fault in faults_of_names(valid_part(content), known) if not _is_invalid(fault, content)]
    given = {fault.path for fault in faults}
    return [*faults, *(fault for fault in found if fault.path not in given)]


def in_order(faults: Iterable[Fault], content: Mapping[str, Any]) -> list[Fault]:
    """Return faults in the order in which a file holds their settings; those of no setting come last."""
    return sorted(faults, key=lambda fault: _place(fault.path, content))


def _place(path: tuple[str | int, ...], content: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Return the positions of a path's parts in the file."""
    last = 1 << 30
    if not path:
        return (last,)
    place = list[int]()
    for part in path:
        if isinstance(content, dict) and part in content:
            place.append(list(content).index(part))
            content = content[part]
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            place.append(part)
            content = content[part]
        else:  # missing: after the settings beside it, but before the section's end
            return (*place, last - 1)
    return tuple(place)


def _is_invalid(fault: Fault, content: Mapping[str, Any]) -> bool:
    """Return whether a fault of names is about a value that is no text, which the validation reports."""
    return fault.path[:1] == ("baselines",) and len(fault.path) == 2 and "''" in fault.text


def _items(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    return found if isinstance(found, list) else []


def _mapping(content: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _baselines(content: Mapping[str, Any]) -> list[Any]:
    if "baselines" not in content:
        return list(Experiment.model_fields["baselines"].default)
    return _items(content, "baselines")


def _names(content: Mapping[str, Any], kind: str, least: int) -> list[str] | None:
    """Return the names of models or data sets; None unless there are enough, each with a name."""
    items = _items(content, kind)
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    texts = [name for name in names if isinstance(name, str)]
    return texts if least <= len(items) == len(texts) else None


def _published(item: Any) -> PublishedSettings:  # noqa: ANN401  whatever the file holds
    """Return a published number whose names can be checked; a name that is no text is empty."""
    given = _mapping({"": item}, "")
    method, dataset, metric = (str(given.get(name, "")) for name in ("method", "dataset", "metric"))
    return PublishedSettings.model_construct(method=method, dataset=dataset, metric=metric or "top1")


def _head(value: Any) -> Any:  # noqa: ANN401  whatever the file holds
    try:
        return _HEAD.validate_python({} if value == "zero-shot" else value)
    except ValidationError:
        return None


def _valid(kind: type[T], value: Any) -> T | None:  # noqa: ANN401  whatever the file holds
    """Return a section or an item without its invalid settings; None if it cannot do without them."""
    for _ in range(2):
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            if not isinstance(value, Mapping):
                return None
            wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
            value = {name: one for name, one in value.items() if str(name) not in wrong}
    return None
