"""The faults of records: pointers, plans, findings about checkpoints, cuts, and other JSON that has no manifest."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flows.planning.records_together import is_record
from storage import keys
from storage.cuts import fault_in_record
from storage.errors import ObjectMissing, StoreDenied, first_line
from storage.identity import digest_of
from storage.spans import Span
from storage.store import Store
from storage.upkeep.object_faults import Fault

_AT_ONCE = 16  # records read at the same time
_UNSOUND = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_TOGETHER = "checkpoints/experiment="


def record_faults(store: Store, found: Iterable[str]) -> list[Fault]:
    """Return the faults of all records; each is one request to S3.

    Args:
        store: the store.
        found: keys of everything in it.
    """
    chosen = [key for key in found if is_known_record(key)]
    with ThreadPoolExecutor(_AT_ONCE if store.scheme == "s3" else 1, thread_name_prefix="records") as pool:
        return [fault for fault in pool.map(lambda key: record_fault(store, key), chosen) if fault]


def is_known_record(key: str) -> bool:
    """Return whether a key is that of a record: JSON of this program without a manifest, the catalogue left out."""
    folder = key.partition("/")[0]
    if not key.endswith(".json") or key.endswith(keys.MANIFEST_SUFFIX):
        return False
    if folder == "results":
        return keys.pointed_experiment(key) is not None
    records = ("checkpoints", "watched", "plans", "known-manifests", keys.CUTS, "made-models")
    return folder in records and keys.is_ours(key)


def record_fault(store: Store, key: str) -> Fault | None:
    """Return the fault of a record; None if it is sound, or gone.

    Args:
        store: the store.
        key: the record's key.
    """
    store.forget(key)
    try:
        content = store.read(key)
    except ObjectMissing:
        return None
    except StoreDenied as error:
        return Fault(key, "unreadable", str(error))
    if experiment := keys.pointed_experiment(key):
        return _pointer_fault(store, key, experiment, content)
    try:
        reason = _reason(key, content)
    except _UNSOUND as error:
        reason = f"wanted JSON of this kind of record, got {len(content):,} other bytes ({first_line(error)})"
    return Fault(key, "record", reason) if reason else None


def pointed_at(content: bytes) -> str:
    """Return the run that a pointer names.

    Args:
        content: the pointer's bytes.

    Raises:
        ValueError: they are no pointer.
    """
    try:
        run = json.loads(content)["run_id"]
    except _UNSOUND as error:
        raise ValueError(f"wanted JSON with a run_id, got {len(content):,} other bytes") from error
    if not isinstance(run, str):
        raise ValueError(f"run_id: wanted text, got {run!r:.40}")
    return run


def _pointer_fault(store: Store, key: str, experiment: str, content: bytes) -> Fault | None:
    try:
        run = pointed_at(content)
    except ValueError as error:
        return Fault(key, "pointer", str(error))
    if store.exists(keys.manifest(keys.results(experiment, run))):
        return None
    return Fault(key, "pointer", f"wanted a run with results, got run {run}, which has none")


def _reason(key: str, content: bytes) -> str | None:
    """Return why a record is not sound; errors of `_UNSOUND` say it too."""
    if key.startswith("plans/"):
        is_same = keys.plan(hashlib.sha256(content).hexdigest()[:32]) == key
        return None if is_same else f"wanted the plan of this digest, got {len(content):,} other bytes"
    if key.startswith(f"{keys.CUTS}/"):
        return fault_in_record(content)
    found = json.loads(content)
    if key.startswith("known-manifests/"):
        return _other_digest(found, found["manifests"])
    if key.startswith(_TOGETHER):
        return _other_digest(found, {"records": found["records"], "by_key": found["by_key"]})
    if key.startswith("checkpoints/") and not (isinstance(found, dict) and is_record(found)):
        return "wanted a finding about a checkpoint, got other JSON"
    return None


def _other_digest(found: Mapping[str, Any], content: Any) -> str | None:  # noqa: ANN401  JSON
    digest = digest_of(content)
    got = str(found["digest"])
    return None if got == digest else f"wanted the digest {digest[:12]}… of its content, got {got[:12]}…"


def absent_places(needs: Collection[str], committed: Collection[str]) -> dict[str, str]:
    """Return the folders and keys that results were computed from and that are not complete, with their content.

    A table has all samples up to the last one that any needed table of its data set has.

    Args:
        needs: the folders and keys.
        committed: keys of the committed objects.

    Example:
        >>> span = "samples-00000000-00000299.parquet"
        >>> absent_places(["bins/dataset=01/id=23", "mixtures/dataset=01/id=45"], [f"bins/dataset=01/id=23/{span}"])
        {'mixtures/dataset=01/id=45': 'no object'}
    """
    there, spans = {*committed}, dict[str, list[Span]]()
    for key in committed:
        folder = key.rpartition("/")[0]
        there.add(folder)
        if keys.is_samples(key) and folder in needs:
            spans.setdefault(folder, []).append(keys.span_of(key))
    ends = dict[str, int]()
    for place, own in spans.items():
        ends[_dataset(place)] = max(ends.get(_dataset(place), 0), *(span.stop for span in own))
    found = {place: "no object" for place in needs if place not in there}
    for place, own in spans.items():
        reached = 0
        for span in sorted(own):
            reached = max(reached, span.stop) if span.start <= reached else reached
        if reached < (end := ends[_dataset(place)]):
            found[place] = f"its first {reached:,} of {end:,} samples without a gap"
    return found


def _dataset(place: str) -> str:
    return place.split("/")[1]
