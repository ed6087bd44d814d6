"""Entries of the catalogue: the facts about one run, from its manifest and the rows of its results."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from storage import keys
from storage.catalogue.layout import RUNS, Entry
from storage.catalogue.parts import run_rows
from storage.errors import (
    ManifestInvalid,
    ObjectDamaged,
    ObjectMissing,
    ObjectOutdated,
    SchemaMismatch,
    damaged,
    first_line,
)
from storage.manifests import Manifest, read_manifest
from storage.schemas import RESULTS
from storage.soundness import states
from storage.store import Store
from storage.verification import read_sound

_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)

Found = tuple[Entry, pl.DataFrame | None]
"""An entry, and the rows of a sound run."""


def found_run(store: Store, key: str) -> Found | None:
    """Return the entry and the rows of a run as its manifest and its object are now.

    Args:
        store: holds the results.
        key: of the run's results.

    Returns:
        None for a run without a manifest. The entry of a damaged or outdated run names the fault, and has no rows.
    """
    times = file_times(store, key)  # before the bytes: what changes meanwhile looks changed later
    try:
        manifest = read_manifest(store, key)
    except ObjectMissing:
        return None
    except ManifestInvalid as error:
        return {**_named(key), **times, "fault": str(error)}, None
    try:
        rows = sound_rows(store, manifest)
        return {**entry_of(manifest, rows), **times}, rows
    except (ObjectDamaged, ObjectOutdated, SchemaMismatch) as error:
        return {**_named(key), **times, **_of_manifest(manifest), "fault": str(error)}, None


def entry_of(manifest: Manifest, rows: pl.DataFrame) -> Entry:
    """Return the entry of a sound run, without the times of its files.

    Args:
        manifest: of its results.
        rows: all rows of its results.
    """
    times = {"object_time": 0, "manifest_time": 0}
    return {**_named(manifest.key), **times, **_of_manifest(manifest), **_of_rows(rows, manifest)}


def sound_rows(store: Store, manifest: Manifest) -> pl.DataFrame:
    """Return all rows of a run's results, read from the run itself and verified.

    Args:
        store: holds the results.
        manifest: of the results.

    Raises:
        ObjectDamaged: the object differs from its manifest.
        ObjectOutdated: an earlier version of this program wrote it.
        SchemaMismatch: a newer version of this program wrote it.
    """
    key = manifest.key
    if (manifest.table, manifest.version) != (RESULTS.name, RESULTS.version):
        fault = states(store, key.rpartition("/")[0], only=(key,)).get(key)
        raise fault or damaged(store.address(key), "it changed while it was read")
    content = read_sound(store, manifest)
    try:
        return run_rows(content, key)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(store.address(key), f"not readable as Parquet ({first_line(error)})") from error


def file_times(store: Store, key: str) -> dict[str, int]:
    """Return when the results of a run and their manifest were changed last, ns; zeros where a listing says nothing."""
    if store.scheme != "file":
        return {"object_time": 0, "manifest_time": 0}
    return {
        name: _time(Path(store.address(own).removeprefix("file://")))
        for name, own in (("object_time", key), ("manifest_time", keys.manifest(key)))
    }


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _named(key: str) -> dict[str, Any]:
    """Return an entry that only names its run."""
    empty: dict[str, Any] = dict.fromkeys(RUNS)
    lists: dict[str, Any] = {name: [] for name in ("methods", "datasets", "ranked", "with_labels")}
    named = {"experiment": keys.experiment_of(key), "run_id": keys.run_of(key), "at": _UNKNOWN}
    return {**empty, **lists, **named}


def _of_manifest(manifest: Manifest) -> dict[str, Any]:
    created = _moment(manifest.created_at)
    listed = manifest.identity.get("samples") or [
        str(cell).rsplit(" on ", 1) for cell in manifest.identity.get("predictions", ())
    ]
    pairs = [(str(one[0]), str(one[1])) for one in listed if len(one) > 1]
    return {
        "created_at": created,
        "at": created or _UNKNOWN,
        "version": manifest.version,
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
        "methods": list(dict.fromkeys(method for method, _ in pairs)),
        "datasets": list(dict.fromkeys(dataset for _, dataset in pairs)),
    }


def _of_rows(rows: pl.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """Return the facts that the rows add; a run on images without labels has none."""
    top1 = rows.filter(metric="top1")
    if rows.is_empty():
        return {}
    facts: dict[str, Any] = {
        "at": rows["created_at"].min(),
        "ranked": top1["method"].unique(maintain_order=True).to_list(),
        "with_labels": rows.filter("uses_labels")["method"].unique(maintain_order=True).to_list(),
    }
    if not manifest.identity.get("samples"):
        own = rows.filter(pl.col("dataset_digest").is_not_null())
        facts |= {f"{name}s": own[name].unique(maintain_order=True).to_list() for name in ("method", "dataset")}
    if not top1.is_empty():
        models, weights = (max(top1[name].to_list(), key=len) for name in ("models", "weights"))
        facts |= {"base": models[0], "base_weights": weights[0], "content": " ".join(weights[1:] or weights)}
    return facts


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def key_of(entry: Mapping[str, Any]) -> str:
    """Return the key of the results that an entry is about."""
    return keys.results(entry["experiment"], entry["run_id"])
