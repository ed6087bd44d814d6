"""References as JSON for child runs; each record is written once and referred to by number."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
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


def to_json(value: Mapping[str, Any]) -> str:
    """Return the JSON text of references by name; `from_json` reads it.

    Args:
        value: name to a reference, a tuple of them, or plain JSON values.
    """
    records: list[Any] = []
    numbers: dict[str, int] = {}
    seen: dict[int, int] = {}  # by identity: a plan holds the same objects thousands of times

    def written(part: Any) -> Any:  # noqa: ANN401  any field of a reference
        if id(part) in seen:
            return {_RECORD: seen[id(part)]}
        if is_dataclass(part) and not isinstance(part, type):
            content = [type(part).__name__, {f.name: written(getattr(part, f.name)) for f in fields(part)}]
            text = json.dumps(content, sort_keys=True)
            if text not in numbers:
                numbers[text] = len(records)
                records.append(content)
            seen[id(part)] = numbers[text]
            return {_RECORD: numbers[text]}
        if isinstance(part, tuple):
            return [written(item) for item in part]
        return {"plain": part} if isinstance(part, dict) else part

    content = {name: written(part) for name, part in value.items()}
    return json.dumps({"records": records, "content": content}, sort_keys=True)


def from_json(text: str | bytes) -> dict[str, Any]:
    """Return the references that `to_json` wrote, by name.

    Raises:
        ValueError: the text was written by another version of this program, or damaged.
    """
    records: list[Any] = []

    def read(part: Any) -> Any:  # noqa: ANN401
        if isinstance(part, list):
            return tuple(read(item) for item in part)
        if isinstance(part, dict):
            return part["plain"] if "plain" in part else records[part[_RECORD]]
        return part

    try:
        found = json.loads(text)
        for name, content in found["records"]:  # a record comes after those that it holds
            records.append(_TYPES[name](**{field: read(part) for field, part in content.items()}))
        return {name: read(part) for name, part in found["content"].items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"no references that this version can read ({type(error).__name__}: {error})") from error
