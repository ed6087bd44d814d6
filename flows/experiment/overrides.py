"""Settings from the command line, put over those of an experiment file."""

from typing import Any

import yaml

from flows.errors import ExperimentError
from flows.experiment.strict_yaml import parse_yaml, problem_of
from storage.credentials import without_credentials
from storage.text import shown

_LONGEST_PATH = 8  # parts of a setting's name; the deepest has three


def apply_override(content: dict[str, Any], override: str) -> None:
    """Apply `merge.clusters=5` or `models.1.checkpoint=…`: the value is YAML, numbers pick items of lists."""
    path, equals, text = override.partition("=")
    override = shown(without_credentials(override))
    if not equals or not path or path.count(".") >= _LONGEST_PATH:
        raise ExperimentError(f"--set {override}: wanted key=value, such as merge.clusters=5")
    *parents, last = path.split(".")
    place: Any = content
    for part in parents:
        place = _step(place, part, override)
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        typed = shown(without_credentials(text))
        raise ExperimentError(f"--set {override}: '{typed}' is not YAML: {problem_of(error)}") from error
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ExperimentError(f"--set {override}: {shown('.'.join(parents))} holds no settings")


def _step(place: Any, part: str, override: str) -> Any:  # noqa: ANN401  YAML values
    if isinstance(place, list):
        return place[_index(place, part, override)]
    if isinstance(place, dict):
        if place.get(part) is None:
            place[part] = {}
        return place[part]
    raise ExperimentError(f"--set {override}: {shown(part)} is below something that holds no settings")


def _index(items: list[Any], part: str, override: str) -> int:
    if not (part.isascii() and part.isdecimal() and len(part) < 10) or int(part) >= len(items):
        raise ExperimentError(f"--set {override}: wanted a number from 0 to {len(items) - 1}, got '{shown(part)}'")
    return int(part)
