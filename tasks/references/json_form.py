"""References as JSON for child runs; each record is written once and referred to by number."""

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from tasks.datasets.preprocessing import Preprocessing
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.heads import FileReference, TextHeadReference
from tasks.references.models import MadeModel, ModelReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference
from tasks.references.results import Cell, PublishedNumber, RunRecord

_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Preprocessing, FileReference, TextHeadReference, DatasetReference, ScoredDataset, ModelReference, MadeModel),
        *(OutputsReference, CoefficientsReference, MixtureReference, BinsReference, MergeReference, EnsembleReference),
        *(Cell, PublishedNumber, RunRecord),
    )
}
_RECORD = "record"  # key of an object that stands for a record, by its number
_TUPLE = "tuple"  # the kind of a record that is a long tuple, such as the outputs of all models
_LONG = 8  # items; a shorter tuple is written where it stands


def to_json(value: Mapping[str, Any]) -> str:
    """Return the JSON text of references by name; `from_json` reads it.

    Args:
        value: name to a reference, a tuple of them, or plain JSON values.
    """
    writer = _Writer()
    content = {name: writer.written(part) for name, part in value.items()}
    return f'{{"content": {json.dumps(content, sort_keys=True)}, "records": [{", ".join(writer.numbers)}]}}'


class _Writer:
    """Writes each record once, after those that it holds.

    Attributes:
        numbers: by the text of a record its number, in order.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._seen: dict[int, dict[str, int]] = {}  # by identity: a plan holds the same objects thousands of times

    def written(self, part: Any) -> Any:  # noqa: ANN401  any field of a reference
        """Return plain JSON values for a field of a reference."""
        if id(part) in self._seen:
            return self._seen[id(part)]
        if isinstance(part, tuple):
            items = [self.written(item) for item in part]
            return items if len(part) < _LONG else self._record(part, [_TUPLE, items])
        if names := _fields(type(part).__name__):
            content = {name: self.written(getattr(part, name)) for name in names}
            return self._record(part, [type(part).__name__, content])
        return {"plain": part} if isinstance(part, dict) else part

    def _record(self, part: Any, content: list[Any]) -> dict[str, int]:  # noqa: ANN401
        number = self.numbers.setdefault(json.dumps(content, sort_keys=True), len(self.numbers))
        self._seen[id(part)] = {_RECORD: number}
        return self._seen[id(part)]


@cache
def _fields(kind: str) -> tuple[str, ...]:
    """Return the names of a record's fields; none for a type that is no record."""
    return tuple(field.name for field in fields(_TYPES[kind])) if kind in _TYPES else ()


def from_json(text: str | bytes) -> dict[str, Any]:
    """Return the references that `to_json` wrote, by name.

    Raises:
        ValueError: the text was written by another version of this program, or damaged.
    """
    records: list[Any] = []

    def read(part: Any) -> Any:  # noqa: ANN401
        if isinstance(part, dict):
            return part["plain"] if "plain" in part else records[part[_RECORD]]
        return tuple(map(read, part)) if isinstance(part, list) else part

    try:
        found = json.loads(text)
        for name, content in found["records"]:  # a record comes after those that it holds
            if name == _TUPLE:
                records.append(read(content))
            else:
                records.append(_TYPES[name](**{field: read(part) for field, part in content.items()}))
        return {name: read(part) for name, part in found["content"].items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"no references that this version can read ({type(error).__name__}: {error})") from error
