"""The cuts of a store's data sets: how many samples an object of the per-sample tables holds, chosen once and recorded.

The first run on a data set chooses: an object of outputs then has 16 to 64 MiB. Later runs cut by the same number, with
any head and precision, so that they reuse everything that is committed. The record of a data set is one small object,
and its length says the number: one listing of the folder of records shows the cuts of all data sets, without a read.

A span of samples is also the unit of work: a killed run computes at most one again for each table, and no two workers
share one. Therefore no object holds more than 32,768 samples, and outputs of few classes have smaller objects: 10
classes make 3 MiB.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property

from storage import keys
from storage.errors import ObjectExists, ObjectMissing
from storage.spans import Span
from storage.store import Store
from storage.stored import Stored

log = logging.getLogger("dawin.storage")

_STEP = 1024  # samples: a cut is a multiple of it, and so of the rows of a row group
_MOST = 32 * _STEP
_AIM = 32 * 1024**2  # bytes of an object of outputs; half of it with logits in float16
# measured: a row of 1,000 classes has 4,349 bytes, one of 397 has 2,115, one of 10 has 95
_OTHER_BYTES = 60  # of a row of outputs, beside its logits
_LOGIT_BYTES = 4
_RECORD_BYTES = 128  # a record has so many, and one more for each 1,024 samples
_TABLES = ("samples", "outputs")  # whose objects show a cut that is not recorded


def samples_per_object(classes: int) -> int:
    """Return the number of samples that an object of outputs holds, for a data set that no store holds yet.

    Args:
        classes: numbers in a row of logits.

    Returns:
        A multiple of 1,024, from 1,024 to 32,768: an object of outputs has some 32 MiB, and less than 16 below 90
        classes.

    Example:
        >>> [samples_per_object(classes) for classes in (10, 397, 1000, 21_841)]
        [32768, 19456, 8192, 1024]
    """
    return min(max(_AIM // (_LOGIT_BYTES * classes + _OTHER_BYTES) // _STEP, 1) * _STEP, _MOST)


class Cuts:
    """The recorded cuts of a store's data sets, listed once: a cut never changes after it is recorded.

    Args:
        store: holds the records.
        remember: whether cuts that this object chooses are recorded.

    Example:
        >>> store = Store("memory://example-of-cuts")
        >>> Cuts(store).samples_per_object("0123", classes=1000)
        8192
        >>> Cuts(store).samples_per_object("0123", classes=10)
        8192
    """

    def __init__(self, store: Store, *, remember: bool = True) -> None:
        self._store, self._remember = store, remember
        self._known: dict[str, int] = {}

    def samples_per_object(self, digest: str, classes: int) -> int:
        """Return the number of samples that each object of a data set's tables holds; the last one may hold fewer.

        Two runs that choose at the same moment use the number of the one that writes the record first.

        Args:
            digest: the data set's digest.
            classes: numbers in a row of logits; decides if nothing is recorded and the store holds no names or
                outputs of the data set.
        """
        if digest not in self._known:
            self._known[digest] = self._found(digest, classes)
        return self._known[digest]

    @cached_property
    def _records(self) -> Mapping[str, Stored]:
        return self._store.listing(keys.CUTS)

    def _found(self, digest: str, classes: int) -> int:
        key = keys.cut(digest)
        record = self._records.get(key)
        if record is not None and (recorded := _recorded(record)):
            return recorded
        if record is not None:
            log.warning(
                "%s: damaged: %d bytes record no number of samples per object; the objects of the data set decide",
                self._store.address(key),
                record.size,
            )
        tables = _TABLES if record is not None else _TABLES[:1]  # a run without a record has written names first
        held = next((cut for table in tables if (cut := self._cut_of_objects(table, digest))), None)
        chosen = held or samples_per_object(classes)
        return self._record(key, chosen, record) if self._remember else chosen

    def _cut_of_objects(self, table: str, digest: str) -> int | None:
        """Return the cut that the keys of a table's objects show; None if the store holds none of its first spans."""
        listed = self._store.listing(keys.of_dataset(table, digest))
        firsts = [stop for start, stop in _spans(listed) if start == 0]
        if not firsts:
            return None
        is_whole = all(start == 0 for start, _ in _spans(listed))  # the last object may be shorter than the cut
        return -(-max(firsts) // _STEP) * _STEP if is_whole else max(firsts)

    def _record(self, key: str, chosen: int, damaged: Stored | None) -> int:
        """Write a record and return its number, or that of another run's record."""
        if chosen % _STEP or chosen > _MOST:
            return chosen  # objects of another origin: they show their cut themselves
        if damaged is not None:
            with suppress(ObjectMissing):
                self._store.delete(key)
        try:
            self._store.create(key, record_of(chosen))
        except ObjectExists:
            return _recorded(self._store.stat(key)) or chosen
        return chosen


def record_of(samples: int) -> bytes:
    """Return the content of the record of a cut: JSON, padded to the length that says the same number.

    Args:
        samples: per object; a multiple of 1,024, at most 32,768.

    Example:
        >>> record_of(8192).split()[0], len(record_of(8192))
        (b'{"samples_per_object":8192}', 136)
    """
    text = json.dumps({"samples_per_object": samples}, separators=(",", ":"))
    return text.ljust(_RECORD_BYTES + samples // _STEP - 1).encode() + b"\n"


def fault_in_record(content: bytes) -> str | None:
    """Return the fault of the content of a record of a cut; None if it is sound.

    Args:
        content: the object's bytes.

    Example:
        >>> fault_in_record(record_of(8192)), fault_in_record(b"{}")
        (None, 'wanted the record of a number of samples per object, got 2 bytes of another content')
    """
    samples = _recorded(Stored(len(content), ""))
    if samples is not None and content == record_of(samples):
        return None
    return f"wanted the record of a number of samples per object, got {len(content):,} bytes of another content"


def _recorded(record: Stored) -> int | None:
    steps = record.size - _RECORD_BYTES
    return steps * _STEP if 1 <= steps <= _MOST // _STEP else None


def _spans(listed: Mapping[str, Stored]) -> list[Span]:
    return [keys.span_of(key) for key in listed if keys.is_samples(key)]
