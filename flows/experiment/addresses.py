"""The addresses in settings: variables of the environment filled in, then made absolute."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flows.errors import Fault
from flows.experiment.input_settings import ZERO_SHOT
from flows.experiment.wording import printable
from storage.errors import StorageError
from storage.filesystem import absolute
from storage.text import shown

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Place = tuple[str | int, ...]


def fill_in(content: dict[str, Any]) -> list[Fault]:
    """Put the environment's variables into the addresses; return a fault for each that is not set."""
    faults = dict[str, Fault]()

    def filled(address: str, path: Place) -> str:
        for name in _VARIABLE.findall(address):
            if name not in os.environ:
                text = f"{shown(name)} is not set, wanted for {printable(address)}"
                faults.setdefault(name, Fault(text, path))
        return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), address)

    _change(content, filled)
    return list(faults.values())


def has_variable(address: str) -> bool:
    """Return whether an address holds a variable that is not set."""
    return _VARIABLE.search(address) is not None


def make_absolute(content: dict[str, Any], base: Path) -> list[Fault]:
    """Make every address absolute; return the faults of those that are no addresses, which stay.

    Args:
        content: the settings.
        base: the folder that relative paths start from.
    """
    faults = list[Fault]()

    def changed(address: str, path: Place) -> str:
        try:
            return absolute(address, base) if address and not has_variable(address) else address
        except StorageError as error:
            faults.append(Fault(f"{shown('.'.join(map(str, path)))}: {error}", path, error))
            return address

    _change(content, changed)
    return faults


def _change(content: dict[str, Any], change: Callable[[str, Place], str]) -> None:
    """Change every address in the settings; other values stay, and the validation refuses them."""
    for section, name in (("models", "checkpoint"), ("datasets", "images")):
        items = content.get(section)
        for position, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict) and isinstance(item.get(name), str):
                item[name] = change(item[name], (section, position, name))
    heads = content.get("heads")
    for holder, key, path in _heads(heads if isinstance(heads, dict) else {}):
        holder[key] = change(holder[key], path)


def _heads(heads: dict[Any, Any]) -> Iterator[tuple[dict[Any, Any], Any, Place]]:
    """Yield the place of each address of a head: the mapping that holds it, its key there, and its path."""
    for dataset, head in list(heads.items()):
        if isinstance(head, str) and head != ZERO_SHOT:
            yield heads, dataset, ("heads", dataset)
        elif isinstance(head, dict) and isinstance(head.get("text"), str):
            yield head, "text", ("heads", dataset, "text")
