"""Settings from the command line, put over those of an experiment file."""

from collections.abc import Iterable
from typing import Any

import yaml

from flows.errors import ExperimentError, Fault, faults_of
from flows.experiment.strict_yaml import parse_yaml
from flows.experiment.yaml_wording import problem_of
from storage.credentials import without_credentials
from storage.text import shown

_LONGEST_PATH = 8  # parts of a setting's name; the deepest has three


def apply_overrides(content: dict[str, Any], overrides: Iterable[str], *, syntax_only: bool = False) -> list[Fault]:
    """Apply settings from the command line, in order; return the faults of those that cannot be applied.

    Args:
        content: the settings of the file, which are changed.
        overrides: such as `merge.clusters=5` or `models.1.checkpoint=…`: the value is YAML, numbers pick items of
            lists.
        syntax_only: whether only the settings themselves are read, because the file cannot be.
    """
    faults = list[Fault]()
    for override in overrides:
        try:
            path, value = _parsed(override)
            if not syntax_only:
                _put(content, path, value, shown(without_credentials(override)))
        except ExperimentError as error:
            faults += faults_of(error)
    return faults


def marked(fault: Fault, overrides: Iterable[str]) -> Fault:
    """Return a fault; its text begins with `--set` if a setting from the command line has it."""
    for override in overrides:
        path = tuple(
            int(part) if part.isdecimal() and len(part) < 10 else part for part in override.partition("=")[0].split(".")
        )
        if fault.path[: len(path)] == path and not fault.text.startswith("--set "):
            return fault._replace(text=f"--set {fault.text}")
    return fault


def _parsed(override: str) -> tuple[list[str], Any]:
    """Return the path and the value of `key=value`."""
    path, equals, text = override.partition("=")
    printed = shown(without_credentials(override))
    if not equals or not path or path.count(".") >= _LONGEST_PATH:
        raise ExperimentError(f"--set {printed}: wanted key=value, such as merge.clusters=5")
    try:
        return path.split("."), parse_yaml(text)
    except yaml.YAMLError as error:
        typed = shown(without_credentials(text))
        raise ExperimentError(f"--set {printed}: '{typed}' is not YAML: {problem_of(error, text)}") from error


def _put(content: dict[str, Any], path: list[str], value: Any, override: str) -> None:  # noqa: ANN401  YAML values
    *parents, last = path
    place: Any = content
    for depth, part in enumerate(parents):
        place = _step(place, part, override, ".".join(parents[:depth]))
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ExperimentError(f"--set {override}: {shown('.'.join(parents))} holds no settings")


def _step(place: Any, part: str, override: str, parent: str) -> Any:  # noqa: ANN401  YAML values
    if isinstance(place, list):
        return place[_index(place, part, override)]
    if isinstance(place, dict):
        if place.get(part) is None:
            place[part] = {}
        return place[part]
    raise ExperimentError(f"--set {override}: {shown(parent)} holds no settings")


def _index(items: list[Any], part: str, override: str) -> int:
    if not (part.isascii() and part.isdecimal() and len(part) < 10) or int(part) >= len(items):
        wanted = f"wanted a number from 0 to {len(items) - 1}" if items else "the list is empty"
        raise ExperimentError(f"--set {override}: {wanted}, got '{shown(part)}'")
    return int(part)
