"""Faults of settings in our own words: the validator's findings, each as setting, wanted value and actual value.

The words for the wanted value come from the JSON Schema of the settings, so that a new setting has them at once. No
text of the validator reaches a message.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from flows.errors import Fault
from flows.experiment.schema_words import Schema, count, plural, slug
from storage.credentials import without_credentials
from storage.text import shown
from tasks.errors import did_you_mean
from tasks.methods.registry import METHODS

_SHORT = 80  # characters of a value that a message shows

# findings that say more than "another kind of value was wanted"; of several at one setting the first one is reported
_SPECIFIC = ("value_error", "extra_forbidden", "invalid_key", "missing", "too_long", "too_short", "string_too_long")


# settings of earlier files, which resemble their present names too little to be recognised
_RENAMED = {"merge.ties_keep": "methods.ties.keep", "merge.held_out": "methods.greedy-soup.held_out"}


def printable(text: str, most: int = 200) -> str:
    """Return a text of a user's as messages show it."""
    return shown(without_credentials(text), most)


def faults_in(details: Sequence[Mapping[str, Any]], schema: Schema, content: Any) -> list[Fault]:  # noqa: ANN401
    """Return the faults that a validation found, one a setting.

    Args:
        details: the errors as pydantic lists them.
        schema: of the settings.
        content: the settings as they were given.
    """
    found: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for detail in details:
        path = schema.path_of(detail["loc"], keep_last=detail["type"] in ("extra_forbidden", "invalid_key"))
        is_item = detail["type"] == "missing" and isinstance(path[-1], int)  # of a list of fixed length
        found.setdefault(path[:-1] if is_item else path, []).append(detail)
    inside = {path[:length] for path in found for length in range(len(path))}
    listed = set[tuple[str | int, ...]]()
    faults = []
    for path, several in found.items():
        detail = min(several, key=lambda one: _rank(one["type"]))
        # a wrong item is left out by the validation, which then finds the list too short; and a value that fits one of
        # two kinds but for a part is reported as of the wrong kind for the other one
        if path in inside and not (detail["type"] == "too_short" and _is_short(detail)):
            continue
        words = _words(detail, path, schema, listed)
        place = shown(".".join(map(str, _in_content(path, content))))
        faults.append(Fault(f"{place}: {words}" if place else words, path))
    return faults


def _rank(kind: str) -> int:
    return _SPECIFIC.index(kind) if kind in _SPECIFIC else len(_SPECIFIC)


def _is_short(detail: Mapping[str, Any]) -> bool:
    return isinstance(detail["input"], list | tuple) and len(detail["input"]) < detail["ctx"]["min_length"]


def _in_content(path: tuple[str | int, ...], content: Any) -> tuple[str | int, ...]:  # noqa: ANN401
    """Return a path without the position in a list that the settings hold as a single value."""
    for part in path[:-1]:
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            content = None
    is_single = bool(path) and isinstance(path[-1], int) and not isinstance(content, dict | list)
    return path[:-1] if is_single else path


def _words(
    detail: Mapping[str, Any], path: tuple[str | int, ...], schema: Schema, listed: set[tuple[str | int, ...]]
) -> str:
    """Return the fault of one setting in words."""
    kind, value, limits = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "value_error":  # of a validator of ours
        return printable(str(limits["error"]), 2000)
    if kind in ("extra_forbidden", "invalid_key"):
        return _unknown(str(path[-1]), path[:-1], schema, listed)
    if kind in ("string_too_long", "too_long") and not schema.is_fixed(path):
        items = "characters" if kind == "string_too_long" else plural(path)
        return f"wanted at most {limits['max_length']:,} {items}, got {len(value):,}"
    wanted = schema.wanted(path)
    if kind == "missing" and not schema.is_fixed(path):
        return f"not set, wanted {wanted}"
    if kind in ("missing", "too_short", "too_long"):
        return f"wanted {wanted}, got {count(len(value))}"
    return f"wanted {wanted}, got {got(value)}{_near(value, path, schema)}"


def _near(value: Any, path: tuple[str | int, ...], schema: Schema) -> str:  # noqa: ANN401  whatever the file holds
    """Return the value that a wrong text could be meant as."""
    if not isinstance(value, str):
        return ""
    if schema.is_name(path):
        close = slug(value)
        return f"; did you mean {close}?" if close else ""
    return did_you_mean(value, schema.choices(path))


def _unknown(name: str, section: tuple[str | int, ...], schema: Schema, listed: set[tuple[str | int, ...]]) -> str:
    """Return the fault of a setting that does not exist."""
    known = schema.settings(section)
    if section == ("methods",):
        reason = f"{name} has no options" if name in METHODS else f"no method '{printable(name)}'"
        near = "" if name in METHODS else did_you_mean(name, known)
        return f"{reason}{near or '; methods with options are ' + ', '.join(known)}"
    near = did_you_mean(name, known)
    if near and section:  # by its whole name, as `--set` takes it
        place = ".".join(map(str, section))
        near = near.replace("mean ", f"mean {place}.").replace(" or ", f" or {place}.")
    near = near or schema.elsewhere(name, section)
    if now := _RENAMED.get(".".join(map(str, (*section, name)))):
        near = f"; it is {now} now"
    if not near and section not in listed:  # once is enough: files with many unknown settings exist
        listed.add(section)
        near = f"; known: {', '.join(known)}"
    return f"no such setting{near}"


def got(value: Any) -> str:  # noqa: ANN401  whatever the file holds
    """Return a value as messages show it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{printable(value, _SHORT)}'" if value else "an empty text"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a date, {value}" if isinstance(value, date) else shown(repr(value), _SHORT)
