"""The objects of the catalogue: their keys, the columns of its table of runs, and the record of a version."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from storage.errors import ManifestInvalid
from storage.schemas import RESULTS

FOLDER = "catalogue"
NEWEST = 10
"""Runs of each experiment whose top-1 rows lie in one small part."""
RECENT = 64
"""The most runs that the recent part holds."""
SEGMENT = 512
"""Runs of a segment that is never written again, unless one of its runs is replaced or forgotten."""
KEPT = 16
"""Versions that stay, for readers in progress."""

_FORM = 1  # of a version's record
_TIME = pl.Datetime("us", "UTC")
RUNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "experiment": pl.String,
    "run_id": pl.String,
    "at": _TIME,  # of the rows; of a run without rows, of its commit
    "created_at": _TIME,  # of the commit; null if the manifest cannot be read
    "version": pl.Int64,  # of the table `results` that the run was written in
    "bytes": pl.Int64,
    "sha256": pl.String,
    "object_time": pl.Int64,  # when the files were changed last, ns; 0 on S3
    "manifest_time": pl.Int64,
    "fault": pl.String,  # null for a sound run; the rows of others are in no part
    "methods": pl.List(pl.String),
    "datasets": pl.List(pl.String),
    "with_labels": pl.List(pl.String),  # methods that use labels on any data set
    "ranked": pl.List(pl.String),  # methods that have an accuracy, in the order of the rows
    "base": pl.String,  # name of the base model
    "base_weights": pl.String,  # SHA-256 of its checkpoint
    "content": pl.String,  # the other models' SHA-256, as one text
    "part": pl.String,  # the segment with its rows; null: the recent part, or none
}
"""The columns of the table of runs."""

Entry = Mapping[str, Any]
"""A row of the table of runs."""


@dataclass(frozen=True)
class Part:
    """A Parquet object of the catalogue, as a version names it."""

    key: str
    bytes: int
    sha256: str
    runs: int


@dataclass(frozen=True)
class Retired:
    """A part that a former version named, kept for its readers until some time has passed."""

    key: str
    number: int
    """The first version without it."""
    at: str
    """Time of that version, UTC, ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One state of the catalogue."""

    number: int
    recent: Part | None = None
    entries: Sequence[Entry] = ()
    """The recent runs. A run that is in a segment too counts as it is here."""
    segments: Sequence[Part] = ()
    runs: Part | None = None
    newest: Part | None = None
    retired: Sequence[Retired] = ()

    def parts(self) -> Iterator[Part]:
        """Yield the parts that the version names."""
        yield from self.segments
        yield from (part for part in (self.recent, self.runs, self.newest) if part)


def version_key(number: int) -> str:
    """Return the key of a version.

    Example:
        >>> version_key(42)
        'catalogue/versions/00000042.json'
    """
    return f"{FOLDER}/versions/{number:08d}.json"


def number_of(key: str) -> int | None:
    """Return the number of the version that a key belongs to, or that a part was written for; None for other keys.

    Example:
        >>> number_of(version_key(42)), number_of(new_part_key(43, "runs")), number_of("catalogue/pending/a/b/c")
        (42, 43, None)
    """
    folder, _, name = key.removeprefix(f"{FOLDER}/").partition("/")
    digits = name[:8]
    return int(digits) if folder in ("versions", "parts") and digits.isdigit() and len(digits) == 8 else None


def is_version(key: str) -> bool:
    """Return whether a key belongs to a version."""
    return key.startswith(f"{FOLDER}/versions/") and key.endswith(".json") and number_of(key) is not None


def new_part_key(number: int, kind: str) -> str:
    """Return a new key for a part.

    Args:
        number: of the version that shall name the part.
        kind: `recent`, `segment`, `runs` or `newest`.
    """
    return f"{FOLDER}/parts/{number:08d}-{uuid.uuid4().hex[:12]}-{kind}.parquet"


def version_content(version: Version) -> bytes:
    """Return the JSON of a version."""
    record = {"form": _FORM, "results": RESULTS.version, **asdict(version)}
    return json.dumps(record, default=lambda time: time.isoformat(), sort_keys=True).encode()


def parse_version(key: str, content: bytes) -> Version | None:
    """Return a version from its JSON; None if the program that wrote it has other columns.

    Raises:
        ManifestInvalid: the bytes are no version.
    """
    try:
        found = json.loads(content)
        if (found.pop("form"), found.pop("results")) != (_FORM, RESULTS.version):
            return None
        if version_key(found["number"]) != key:
            raise ValueError(f"wanted number {number_of(key)}, got {found['number']}")
        parts = {name: found[name] and _part(found[name]) for name in ("recent", "runs", "newest")}
        return Version(
            number=found["number"],
            entries=[_entry(one) for one in found["entries"]],
            segments=[_part(one) for one in found["segments"]],
            retired=[Retired(**one) for one in found["retired"]],
            **parts,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ManifestInvalid(f"{key}: not a version of the catalogue ({error})") from error


def _part(found: Mapping[str, Any]) -> Part:
    part = Part(**found)
    if not isinstance(part.key, str) or not part.key.startswith(f"{FOLDER}/parts/"):
        raise ValueError(f"a part of the catalogue cannot have the key {part.key!r}")
    return part


def _entry(found: Mapping[str, Any]) -> Entry:
    times = {name: found[name] and datetime.fromisoformat(found[name]).astimezone(UTC) for name in ("at", "created_at")}
    if set(found) != set(RUNS):
        raise ValueError(f"wanted an entry with {', '.join(RUNS)}, got {', '.join(found)}")
    return {**found, **times}
