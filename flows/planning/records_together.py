"""The records of all checkpoints of an experiment in one object, so that one request reads a thousand of them.

The object copies the records that lie in the store one by one. Without it, or if another process has written it at the
same time with fewer of them, those are read instead.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from storage import keys
from storage.errors import ObjectMissing
from storage.identity import canonical_json, digest_of
from storage.store import Store

log = logging.getLogger("dawin.checkpoints")

_MOST = 20_000  # records; beyond that, those that the last check did not use are left out


class RecordsTogether:
    """The records of an experiment's checkpoints.

    Args:
        store: holds them.
        experiment: its name; None: no records are together.
    """

    def __init__(self, store: Store, experiment: str | None) -> None:
        self._store = store
        self._key = keys.checkpoints_of(experiment) if experiment else None
        self._read: dict[str, dict[str, Any]] | None = None  # by key of the record
        self._used: dict[str, dict[str, Any]] = {}

    def found(self, key: str) -> dict[str, Any] | None:
        """Return the record of a key, None if it is not among them."""
        if self._read is None:
            self._read = self._stored()
        if key in self._read:
            self._used[key] = self._read[key]
        return self._used.get(key)

    def note(self, key: str, record: dict[str, Any]) -> None:
        """Note a record that the store holds by itself."""
        self._used[key] = record

    def keep(self) -> None:
        """Write the object if records were noted that it does not hold."""
        if self._key is None or not self._used:
            return
        known = self._stored() if self._read is None else self._read
        if all(known.get(key) == record for key, record in self._used.items()):
            return
        together = known | self._used
        self._read = together if len(together) <= _MOST else dict(self._used)
        self._store.replace(self._key, _to_json(self._read))

    def _stored(self) -> dict[str, dict[str, Any]]:
        if self._key is None:
            return {}
        try:
            return _from_json(self._store.read(self._key))
        except ObjectMissing:
            return {}
        except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
            log.warning("%s: damaged, reading each record (%s)", self._store.address(self._key), error)
            return {}


def _to_json(records: Mapping[str, dict[str, Any]]) -> bytes:
    """Return the JSON of records; equal ones, such as the summaries of models of one architecture, stand there once."""
    numbers: dict[str, int] = {}
    by_key = {key: numbers.setdefault(canonical_json(one), len(numbers)) for key, one in sorted(records.items())}
    content = {"records": [json.loads(text) for text in numbers], "by_key": by_key}
    return json.dumps({"digest": digest_of(content), **content}).encode()


def _from_json(text: bytes) -> dict[str, dict[str, Any]]:
    found = json.loads(text)
    content = {"records": found["records"], "by_key": found["by_key"]}
    if digest_of(content) != found["digest"]:
        raise ValueError("another digest")
    if faulty := [one for one in content["records"] if not is_record(one)]:
        raise ValueError(f"no record: {str(faulty[0])[:100]}")
    return {key: content["records"][number] for key, number in content["by_key"].items()}


def is_record(found: Mapping[str, Any]) -> bool:
    """Return whether a record is a digest, or the summary of a head or a model."""
    if "sha256" in found:
        return isinstance(found["sha256"], str) and re.fullmatch("[0-9a-f]{64}", found["sha256"]) is not None
    wanted = {"classes", "features"}
    if not wanted.issuperset(found):
        wanted |= {"layout", "image_size", "completed", "uncovered", "text_features"}
        wanted |= {"architecture", "tower", "assumed", "pixels", "described"}
    return found.keys() >= wanted
