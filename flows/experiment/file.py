"""The experiment file: read, its addresses made absolute, its variables filled in, all its faults at once."""

import copy
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from flows.errors import ExperimentError, Fault, faults_of
from flows.experiment.addresses import fill_in, make_absolute
from flows.experiment.overrides import apply_overrides, marked
from flows.experiment.settings import Experiment
from flows.experiment.strict_yaml import parse_yaml
from flows.experiment.wording import printable
from flows.experiment.yaml_wording import problem_of
from storage.text import shown
from tasks.errors import did_you_mean

_NAMED = Path(__file__).parent / "named"
_MOST_BYTES = 1024**2  # of a file; the parser limits the characters
_MOST_NEAR = 10  # files that a message names in the place of one that is missing
_MOST_FAULTS = 20  # of settings and names, and as many of inputs, that a message lists


class Request(NamedTuple):
    """An experiment as it was asked for."""

    experiment: Experiment | None
    """None if the request has faults."""
    valid: Experiment | None
    """The valid settings, as an experiment whose names and inputs can be checked; None if the file cannot be read."""
    faults: list[Fault]
    """In the order of the file, which the command line's follow."""
    content: dict[str, Any]
    """The settings as they were given."""
    title: str
    """The experiment in messages."""


def load_experiment(path: str, overrides: tuple[str, ...] = ()) -> Experiment:
    """Return the experiment of a YAML file, or a named one, with `key=value` settings over it.

    Addresses in the file count from the file's folder, those of a named experiment and in overrides from the working
    directory. `${NAME}` in an address stands for the environment's variable.

    Raises:
        ExperimentError: the file does not exist, is not YAML, or has wrong settings (all faults at once).
    """
    request = read_request(path, overrides)
    if request.experiment is None:
        raise error_of(request.title, request.faults)
    return request.experiment


def parse_experiment(content: dict[str, Any], where: str) -> Experiment:
    """Return the experiment of plain values; `ExperimentError` lists all faults, by setting."""
    request = _checked(content, where, [])
    if request.experiment is None:
        raise error_of(request.title, request.faults)
    return request.experiment


def read_request(path: str, overrides: tuple[str, ...] = ()) -> Request:
    """Return the experiment of a file as `load_experiment` does, or all faults of its settings and names."""
    file = _NAMED / f"{path}.yaml" if path in named_experiments() else Path(path)
    try:
        content = _content(file, printable(path))
    except ExperimentError as error:
        found = apply_overrides({}, overrides, syntax_only=True)
        return Request(None, None, [*faults_of(error), *found], {}, f"experiment {printable(path)}")
    return _request(content, path, Path.cwd() if file.parent == _NAMED else file.resolve().parent, overrides)


def request_of_values(content: object, overrides: tuple[str, ...] = ()) -> Request:
    """Return the experiment of settings that a program gives, or all of their faults.

    Args:
        content: the settings, as a file holds them; relative addresses count from the working directory.
        overrides: `key=value` settings over them.

    Raises:
        ExperimentError: the content is no mapping.
    """
    if not isinstance(content, Mapping):
        raise ExperimentError(f"experiment: wanted a mapping of settings, got {type(content).__name__}")
    return _request(copy.deepcopy(dict(content)), str(content.get("name", "without a name")), Path.cwd(), overrides)


def _request(content: dict[str, Any], where: str, folder: Path, overrides: tuple[str, ...]) -> Request:
    """Return the request for settings whose relative addresses count from a folder; the content is changed."""
    faults = fill_in(content)
    faults += make_absolute(content, folder)
    of_overrides = apply_overrides(content, overrides)
    request = _checked(content, where, [*faults, *make_absolute(content, Path.cwd()), *of_overrides])
    return request._replace(faults=[marked(fault, overrides) for fault in request.faults])


def error_of(title: str, faults: list[Fault]) -> ExperimentError:
    """Return the error that lists faults, with a number in the place of those beyond the limit."""
    kept = list({fault.text: fault for fault in faults}.values())
    for is_of_input in (False, True):
        beyond = [fault for fault in kept if (fault.error is not None) is is_of_input][_MOST_FAULTS:]
        if beyond:
            kept = [fault for fault in kept if fault not in beyond]
            kept.append(Fault(f"and {len(beyond)} more {'inputs' if is_of_input else 'settings'}"))
    return ExperimentError(faults=kept, title=title)


def named_experiments() -> list[str]:
    """Return the names of the experiments that come with the project."""
    return sorted(file.stem for file in _NAMED.glob("*.yaml"))


def _checked(content: dict[str, Any], where: str, faults: list[Fault]) -> Request:
    """Return the request for settings; faults that were found before join those of settings and names."""
    title = f"experiment {printable(where)}"
    try:
        experiment = Experiment.model_validate(content)
    except ValidationError as error:
        from flows.experiment import draft  # noqa: PLC0415  for faulty files only

        distinct = {fault.text: fault for fault in (*faults, *draft.faults_of(content, error))}
        return Request(None, draft.valid_part(content), draft.in_order(distinct.values(), content), content, title)
    distinct = {fault.text: fault for fault in faults}
    return Request(None if faults else experiment, experiment, list(distinct.values()), content, title)


def _content(file: Path, name: str) -> dict[str, Any]:
    """Return the settings in a file."""
    text = _text_of(file, name)
    try:
        content = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ExperimentError(f"not YAML: {problem_of(error, text)}") from error
    if not isinstance(content, dict):
        got = "nothing" if content is None else "a list" if isinstance(content, list) else "one value"
        raise ExperimentError(f"wanted a mapping of settings, such as `name: my-experiment`, got {got}")
    return content


def _text_of(file: Path, name: str) -> str:
    """Return the text of a file of settings."""
    try:
        if not file.is_file():
            raise ExperimentError(_missing(file, name))
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise ExperimentError(f"{size:,} bytes, wanted at most {_MOST_BYTES:,} of settings")
        return file.read_bytes().decode()
    except OSError as error:
        raise ExperimentError(f"cannot be read ({shown(error.strerror or str(error))})") from error
    except UnicodeDecodeError as error:
        raise ExperimentError(f"not YAML: not text in UTF-8, byte {error.start}") from error


def _missing(file: Path, name: str) -> str:
    """Return the fault of a file that does not exist."""
    if file.is_dir():
        return "a folder, wanted a file of settings"
    near = sorted(map(str, islice(file.parent.glob("*.y*ml"), _MOST_NEAR)))
    names = named_experiments()
    close = did_you_mean(name, names) if file.parent == Path() else ""
    close = close or did_you_mean(file.name, {Path(one).name for one in near})
    there = ", ".join(map(shown, near)) or "no YAML files there"
    return f"no such file{close}{'' if close else ';'} there are: {there}; by name: {', '.join(names)}"
