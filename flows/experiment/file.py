"""The experiment file: read, its addresses made absolute, its variables filled in."""

import copy
import os
import re
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from flows.errors import ExperimentError
from flows.experiment.input_settings import ZERO_SHOT
from flows.experiment.overrides import apply_override
from flows.experiment.settings import Experiment
from flows.experiment.strict_yaml import parse_yaml, problem_of
from storage.credentials import without_credentials
from storage.filesystem import absolute
from storage.text import shown

_NAMED = Path(__file__).parent / "named"
_MOST_BYTES = 1024**2  # of a file; the parser limits the characters
_MOST_NEAR = 10  # files that a message names in the place of one that is missing
_MOST_FAULTS = 20  # that a message lists
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_experiment(path: str, overrides: tuple[str, ...] = ()) -> Experiment:
    """Return the experiment of a YAML file, or a named one, with `key=value` settings over it.

    Addresses in the file count from the file's folder, those of a named experiment and in overrides from the working
    directory. `${NAME}` in an address stands for the environment's variable.

    Raises:
        ExperimentError: the file does not exist, is not YAML, or has wrong settings (all faults at once).
    """
    file = _NAMED / f"{path}.yaml" if path in named_experiments() else Path(path)
    name = _printable(path)
    try:
        content = parse_yaml(_text_of(file, name))
    except yaml.YAMLError as error:
        raise ExperimentError(f"experiment {name}: not YAML: {problem_of(error)}") from error
    return experiment_of_values(
        content, path, Path.cwd() if file.parent == _NAMED else file.resolve().parent, overrides
    )


def experiment_of_values(content: object, where: str, folder: Path, overrides: tuple[str, ...] = ()) -> Experiment:
    """Return the experiment of plain values, as a file holds them, with `key=value` settings over it.

    Args:
        content: the settings.
        where: their place, for messages.
        folder: from which relative addresses in the content count.
        overrides: settings over them, whose relative addresses count from the working directory.

    Raises:
        ExperimentError: settings are wrong (all faults at once).
    """
    if not isinstance(content, Mapping):
        raise ExperimentError(
            f"experiment {_printable(where)}: wanted a mapping of settings, got {type(content).__name__}"
        )
    content = copy.deepcopy(dict(content))
    _fill_in(content, where)
    _resolve(content, folder)
    for override in overrides:
        apply_override(content, override)
    _resolve(content, Path.cwd())
    return parse_experiment(content, where)


def _text_of(file: Path, name: str) -> str:
    """Return the text of a file of settings."""
    try:
        if not file.is_file():
            near = sorted(map(str, islice(file.parent.glob("*.y*ml"), _MOST_NEAR)))
            there = ", ".join(map(shown, near)) or "no YAML files there"
            names = ", ".join(named_experiments())
            raise ExperimentError(f"experiment {name}: no such file; there are: {there}; by name: {names}")
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise ExperimentError(f"experiment {name}: {size:,} bytes, wanted at most {_MOST_BYTES:,} of settings")
        return file.read_bytes().decode()
    except OSError as error:
        raise ExperimentError(f"experiment {name}: cannot be read ({shown(error.strerror or str(error))})") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"experiment {name}: not YAML: not text in UTF-8, byte {error.start}") from error


def _printable(text: str, most: int = 200) -> str:
    """Return a text of a user's as messages show it."""
    return shown(without_credentials(text), most)


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
        unset_names = "; ".join(
            f"{shown(name)} is not set, wanted for {_printable(address)}" for name, address in unset.items()
        )
        raise ExperimentError(f"experiment {_printable(where)}: {unset_names}")


def parse_experiment(content: dict[str, Any], where: str) -> Experiment:
    """Return the experiment of plain values; `ExperimentError` lists all faults, by setting."""
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        details = error.errors()
        # an item that is wrong is left out by the validation, which then finds the list too short
        wrong = {detail["loc"][0] for detail in details if len(detail["loc"]) > 1}
        kept = [d for d in details if not (d["type"] == "too_short" and d["loc"][0] in wrong)]
        faults = list(dict.fromkeys(_fault(detail) for detail in kept))
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise ExperimentError(f"experiment {_printable(where)}: {'; '.join(faults[:_MOST_FAULTS])}{more}") from error


def _fault(detail: Any) -> str:  # noqa: ANN401  pydantic's typed dict
    place = shown(".".join(str(part) for part in detail["loc"] if part not in ("int", "literal['auto']")))
    if detail["type"] == "extra_forbidden":
        return f"{place}: no such setting"
    message = _printable(re.sub("^Value error, ", "", detail["msg"]), 2000)
    says_input = isinstance(detail["input"], dict | list) or detail["type"] == "missing" or "got " in message
    got = "" if says_input else f" (got {_printable(repr(detail['input']), 80)})"
    return f"{place}: {message}{got}" if place else message


def _resolve(content: dict[str, Any], base: Path) -> None:
    """Make every address absolute."""
    _addresses(content, lambda address: absolute(address, base) if address else address)


def _addresses(content: dict[str, Any], change: Callable[[str], str]) -> None:
    """Change every address in the settings; other values stay, and the validation refuses them."""
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
