"""Settings from the command line, put over those of an experiment file."""

from typing import Any

import yaml

from flows.errors import ExperimentError


def apply_override(content: dict[str, Any], override: str) -> None:
    """Apply `merge.clusters=5` or `models.1.checkpoint=…`: the value is YAML, numbers pick items of lists."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ExperimentError(f"--set {override}: wanted key=value, such as merge.clusters=5")
    *parents, last = path.split(".")
    place: Any = content
    for part in parents:
        place = _step(place, part, override)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ExperimentError(f"--set {override}: {text!r} is not YAML") from error
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ExperimentError(f"--set {override}: {'.'.join(parents)} holds no settings")


def _step(place: Any, part: str, override: str) -> Any:  # noqa: ANN401  YAML values
    if isinstance(place, list):
        return place[_index(place, part, override)]
    if isinstance(place, dict):
        if place.get(part) is None:
            place[part] = {}
        return place[part]
    raise ExperimentError(f"--set {override}: {part} is below something that holds no settings")


def _index(items: list[Any], part: str, override: str) -> int:
    if not (part.isascii() and part.isdecimal()) or int(part) >= len(items):
        raise ExperimentError(f"--set {override}: wanted a number from 0 to {len(items) - 1}, got {part!r}")
    return int(part)
