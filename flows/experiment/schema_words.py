"""The JSON Schema of settings, asked for words: which value a setting takes, and which settings a section has."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from unicodedata import combining, normalize

from flows.experiment.setting_types import LONGEST_ADDRESS, NAME_PATTERN, PERCENTAGE_PATTERN

Path = tuple[str | int, ...]

_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NAME = "a name of lower-case letters, digits, '.', '_' and '-' that begins with a letter"
_ADDRESS = "an address (a path, file://, s3:// or hf://)"
_NAMED = {"method": "the name of a method", "dataset": "the name of a data set", "metric": "the name of a metric"}
_ITEMS = {  # by setting: the word for one item, and for several
    "models": ("model", "models"),
    "datasets": ("data set", "data sets"),
    "heads": ("head", "heads"),
    "baselines": ("method", "methods"),
    "published": ("published number", "published numbers"),
    "classes": ("class name", "class names"),
    "templates": ("prompt", "prompts"),
}


class Schema:
    """The JSON Schema of settings.

    Args:
        schema: as pydantic writes it.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root, self._definitions = schema, schema.get("$defs", {})

    def path_of(self, location: Iterable[str | int], *, keep_last: bool = False) -> Path:
        """Return the path of a setting from the location of an error, which also holds the kinds that were tried.

        Args:
            location: as pydantic gives it.
            keep_last: whether the last part is a setting that the schema does not have.
        """
        path, nodes, parts = list[str | int](), [self._root], list(location)
        for position, part in enumerate(parts):
            inside = [found for node in nodes for found in self._step(node, part)]
            if inside or (keep_last and position == len(parts) - 1):
                path.append(part)
                nodes = inside or nodes
        return tuple(path)

    def wanted(self, path: Path) -> str:
        """Return the kind of value that a setting takes, in words."""
        if path[:1] == ("baselines",) and len(path) > 1:
            return "the name of a method"
        if path[:1] == ("published",) and path[-1] in _NAMED:
            return _NAMED[path[-1]]
        kinds = list(dict.fromkeys(self._kind(node, path) for node in self._at(path)))
        last = kinds.pop() if kinds and kinds[-1] == "null" and len(kinds) > 1 else None
        return f"{' or '.join(kinds)}, or null" if last else " or ".join(kinds)

    def choices(self, path: Path) -> list[str]:
        """Return the texts from which a setting chooses; empty if it does not."""
        return [str(value) for node in self._at(path) for value in (*node.get("enum", ()), node.get("const")) if value]

    def settings(self, path: Path) -> list[str]:
        """Return the names of the settings in a section."""
        return [name for node in self._at(path) for name in node.get("properties", ())]

    def elsewhere(self, name: str, section: Path) -> str:
        """Return the end of a message about a setting that another section has; empty if none has it."""
        sections: list[Path] = [(), *[(part,) for part in self.settings(()) if self.settings((part,))]]
        sections += [("methods", part) for part in self.settings(("methods",))]
        found = [".".join(map(str, (*other, name))) for other in sections if name in self.settings(other)]
        return f"; did you mean {' or '.join(found)}?" if found and section not in (("models",), ("datasets",)) else ""

    def is_list(self, path: Path) -> bool:
        """Return whether a setting is a list."""
        return any(node.get("type") == "array" for node in self._at(path))

    def is_fixed(self, path: Path) -> bool:
        """Return whether a setting is a list of a fixed length."""
        return any("prefixItems" in node for node in self._at(path))

    def is_name(self, path: Path) -> bool:
        """Return whether a setting is a name."""
        return any(node.get("pattern") == NAME_PATTERN for node in self._at(path))

    def _at(self, path: Path) -> list[Mapping[str, Any]]:
        """Return the alternatives of the schema at a path."""
        nodes: list[Mapping[str, Any]] = [self._root]
        for part in path:
            nodes = [found for node in nodes for found in self._step(node, part)]
        return [found for node in nodes for found in self._alternatives(node)]

    def _alternatives(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if "$ref" in node:
            node = self._definitions[str(node["$ref"]).rpartition("/")[2]]
        if "anyOf" in node:
            for one in node["anyOf"]:
                yield from self._alternatives(one)
        else:
            yield node

    def _step(self, node: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
        """Return the schema of one part of a value; empty if the value has no such part."""
        found = []
        for one in self._alternatives(node):
            if isinstance(part, int):
                fixed = one.get("prefixItems", ())
                found += [fixed[part]] if part < len(fixed) else [one["items"]] if "items" in one else []
            elif part in one.get("properties", {}):
                found.append(one["properties"][part])
            elif isinstance(one.get("additionalProperties"), Mapping) and part != "[key]":
                found.append(one["additionalProperties"])
        return found

    def _kind(self, node: Mapping[str, Any], path: Path) -> str:
        """Return one kind of value in words."""
        if "enum" in node:
            return f"one of {', '.join(map(str, node['enum']))}"
        if "const" in node:
            return str(node["const"])
        if node.get("type") == "array":
            return self._list(node, path)
        if node.get("type") == "object":
            names = ", ".join(node.get("properties", ()))
            return f"a mapping of {names}" if names else "a mapping by data set"
        return _plain(node)

    def _list(self, node: Mapping[str, Any], path: Path) -> str:
        if "prefixItems" in node:
            one = _plain(node["prefixItems"][0])
            return f"a list of {count(len(node['prefixItems']))} {_several(one)}"
        (item,) = self._alternatives(node["items"])
        if "enum" in item:
            return f"a list of any of {', '.join(item['enum'])}"
        most = node.get("minItems", 0)
        least = f"at least {count(most)} {_word(path, most)}" if most else plural(path)
        if path[-1:] == ("scale",):
            return f"{_plain(item)}, or a list of them"
        return f"a list of {least}"


def _plain(node: Mapping[str, Any]) -> str:
    """Return a text, number or truth value in words."""
    kind = node.get("type")
    if kind == "string" and node.get("pattern") == NAME_PATTERN:
        return _NAME
    if kind == "string" and node.get("pattern") == PERCENTAGE_PATTERN:
        return "a percentage such as 79.97 %"
    if kind == "string" and node.get("maxLength") == LONGEST_ADDRESS:
        return _ADDRESS
    words = {"string": "a text", "boolean": "true or false", "null": "null"}
    numbers = {"integer": "a whole number", "number": "a number"}
    return words.get(str(kind)) or f"{numbers.get(str(kind), 'a value')}{_bounds(node)}"


def _bounds(node: Mapping[str, Any]) -> str:
    least, most, above = (node.get(name) for name in ("minimum", "maximum", "exclusiveMinimum"))
    if above is not None:
        return f" above {above:g}" + (f", at most {most:g}" if most is not None else "")
    if least is not None:
        return f" from {least:g} to {most:g}" if most is not None else f" of at least {least:g}"
    return ""


def _several(words: str) -> str:
    """Return `a number above 0` as `numbers above 0`."""
    return words.replace("a number", "numbers", 1)


def _word(path: Path, number: int) -> str:
    names = [part for part in path if isinstance(part, str)]
    return _ITEMS.get(names[-1] if names else "", ("item", "items"))[number != 1]


def plural(path: Path) -> str:
    """Return the word for the items of a list, by its path."""
    return _word(path, 0)


def count(number: int) -> str:
    """Return a small number as a word."""
    return _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"


def slug(text: str) -> str:
    """Return the name that a text could be meant as; empty if it is far from one.

    Example:
        >>> slug("My Exp"), slug("2024")
        ('my-exp', '')
    """
    plain = "".join(c for c in normalize("NFKD", text[:100].lower()) if not combining(c))  # without accents
    found = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")
    return found if found[:1].isalpha() else ""
