"""The experiment file: read, its addresses made absolute, its variables filled in."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from flows.errors import ExperimentError
from flows.overrides import apply_override
from flows.settings import ZERO_SHOT, Experiment
from storage.filesystem import absolute

_NAMED = Path(__file__).parent / "experiments"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


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
    except (yaml.YAMLError, ValueError, RecursionError) as error:
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

    def filled(address: str) -> str:
        for variable in set(_VARIABLE.findall(address)) - set(os.environ):
            unset.setdefault(variable, address)
        return _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), address)

    _addresses(content, filled)
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
    """Make every address absolute."""
    _addresses(content, lambda address: absolute(address, base) if address else address)


def _addresses(content: dict[str, Any], change: Callable[[str], str]) -> None:
    """Change every address in the settings; what is none is left for the validation to refuse."""
    for section, name in (("models", "checkpoint"), ("datasets", "images")):
        items = content.get(section)
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(item.get(name), str):
                item[name] = change(item[name])
    heads = content.get("heads")
    heads = heads if isinstance(heads, dict) else {}
    for dataset, head in heads.items():
        if isinstance(head, str) and head != ZERO_SHOT:
            heads[dataset] = change(head)
        elif isinstance(head, dict) and isinstance(head.get("text"), str):
            head["text"] = change(head["text"])
