"""Checks of a compose file that need no container runtime: its schema, its variables, its passwords, its references."""

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping

import yaml

VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<how>:?[-?+])(?P<rest>[^}]*))?\}|(?P<bare>\w+))")
PASSWORD = re.compile(r"(?i)(password|passwd|secret|token)")
IN_ADDRESS = re.compile(r"\w+://[^\s/:@{}]+:(?P<password>[^\s@]+)@")


class Missing(Exception):
    """A variable without a value, in the words of compose."""


def interpolated(text: str, environment: Mapping[str, str]) -> str:
    """Return a value of the file as compose reads it, with the values of variables."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        name, how, rest = found["name"] or found["bare"], found["how"] or "", found["rest"] or ""
        is_set = bool(environment.get(name)) if how.startswith(":") else name in environment
        if how.endswith("?") and not is_set:
            raise Missing(f"required variable {name} is missing a value: {rest}")
        if how.endswith("-") and not is_set:
            return rest
        return environment.get(name, "")

    return VARIABLE.sub(value, text)


def read(text: str, environment: Mapping[str, str]) -> dict:
    """Return the content of a file with the values of variables; raise Missing where one is required."""

    def filled(node):
        if isinstance(node, dict):
            return {key: filled(item) for key, item in node.items()}
        if isinstance(node, list):
            return [filled(item) for item in node]
        return interpolated(node, environment) if isinstance(node, str) else node

    return filled(yaml.safe_load(text))


def required(text: str) -> set[str]:
    """Return the names of the variables without which compose refuses the file."""
    return {found["name"] for found in VARIABLE.finditer(text) if (found["how"] or "").endswith("?")}


def faults(text: str) -> list[str]:
    """Return the faults of a compose file, in plain words."""
    content = read(text, dict.fromkeys(required(text), "x"))
    return [*_variables(yaml.safe_load(text)), *_passwords(yaml.safe_load(text)), *_schema(content), *_links(content)]


def _strings(node, place="") -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each string of a tree."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from _strings(item, f"{place}.{key}" if place else str(key))
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _strings(item, f"{place}[{number}]")
    elif isinstance(node, str):
        yield place, node


def _variables(tree) -> Iterator[str]:
    for place, text in _strings(tree):
        for found in VARIABLE.finditer(text):
            if found["dollar"]:
                continue
            name, how = found["name"] or found["bare"], found["how"]
            if how not in ("-", ":-", ":?"):
                yield f"{place}: {found[0]}: wanted a default, ${{{name}:-…}}, or a message, ${{{name}:?…}}"
            elif how == ":?" and not found["rest"].strip():
                yield f"{place}: {found[0]}: the message is empty"


def _passwords(tree) -> Iterator[str]:
    for place, text in _strings(tree):
        secrets = [text] if PASSWORD.search(place.rpartition(".")[2]) else []
        secrets += [found["password"] for found in IN_ADDRESS.finditer(text)]
        secrets += re.findall(r'"(?i:\w*(?:password|secret|token)\w*)":\s*"([^"]*)"', text)
        for secret in secrets:
            if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", secret):
                yield f"{place}: a password in the file: {secret}"


def _schema(content) -> Iterator[str]:
    import jsonschema

    file = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = jsonschema.Draft202012Validator(json.loads(file.read_text()))
    for error in validator.iter_errors(content):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def _links(content) -> Iterator[str]:
    services = content["services"]
    for name, service in services.items():
        yield from (f"{name}: {fault}" for fault in _conditions(service, services))
        for host in re.findall(r"https?://([\w-]+):\d+", " ".join(text for _, text in _strings(service))):
            if host not in services:
                yield f"{name}: an address of {host}, which is no service"
    for kind, source_of in (("volumes", _named_volume), ("configs", lambda config: config["source"])):
        used = {(name, source_of(item)) for name, service in services.items() for item in service.get(kind, ())}
        used = {(name, source) for name, source in used if source}
        defined = set(content.get(kind, {}))
        yield from (f"{name}: {source} is not among {kind}" for name, source in used if source not in defined)
        yield from (f"{kind}: no service uses {source}" for source in defined - {source for _, source in used})


def _conditions(service, services) -> Iterator[str]:
    """Yield the conditions of `depends_on` that never hold."""
    for other, wanted in service.get("depends_on", {}).items():
        if other not in services:
            yield f"depends on {other}, which is no service"
        elif wanted["condition"] == "service_healthy" and "healthcheck" not in services[other]:
            yield f"waits until {other} is healthy, which has no healthcheck"
        elif wanted["condition"] == "service_completed_successfully" and services[other].get("restart") != "no":
            yield f"waits until {other} ends, which is started again"


def _named_volume(volume: str) -> str | None:
    """Return the name of a volume; None for a folder of the machine."""
    source = volume.partition(":")[0]
    return None if source.startswith((".", "/", "~")) else source
