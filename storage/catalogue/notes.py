"""Notes that a run's results are about to be committed: readers and the next writer look at these runs themselves.

A note is written before the results, and deleted by its writer once the catalogue has them. Each writer has a note of
its own, because two may commit the same run. Others leave it alone for an hour: its writer may be between the note and
the manifest. After that, the next writer deletes it, with or without results.
"""

import re
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from storage import keys
from storage.catalogue.layout import FOLDER
from storage.errors import ObjectMissing, StoreDenied
from storage.store import Store

OLD = timedelta(hours=1)
"""The time after which a note's writer counts as dead."""
_NOTE = re.compile(FOLDER + r"/pending/([^/]+)/([^/]+)/(\d{8}T\d{6}Z)-[0-9a-f]+")
_TIME = "%Y%m%dT%H%M%SZ"


def note(store: Store, key: str) -> str:
    """Write down that the results under a key are about to be committed; return the key of the note."""
    name = f"{datetime.now(UTC):{_TIME}}-{uuid.uuid4().hex[:12]}"
    own = f"{FOLDER}/pending/{keys.experiment_of(key)}/{keys.run_of(key)}/{name}"
    store.replace(own, b"")
    return own


def noted(listing: Iterable[str]) -> dict[str, list[str]]:
    """Return the notes in a listing of the catalogue, by the key of the results that they are about.

    Example:
        >>> noted(["catalogue/pending/digits/r01/20261128T031500Z-89ab", "catalogue/versions/00000001.json"])
        {'results/experiment=digits/run_id=r01/results.parquet': ['catalogue/pending/digits/r01/20261128T031500Z-89ab']}
    """
    found: dict[str, list[str]] = {}
    for key in listing:
        if match := _NOTE.fullmatch(key):
            found.setdefault(keys.results(match[1], match[2]), []).append(key)
    return found


def is_old(key: str, now: datetime) -> bool:
    """Return whether a note's writer counts as dead."""
    match = _NOTE.fullmatch(key)
    assert match is not None
    return now - datetime.strptime(match[3], _TIME).replace(tzinfo=UTC) > OLD


def remove(store: Store, notes: Iterable[str]) -> None:
    """Delete notes, of which others may have deleted some."""
    for key in notes:
        with suppress(ObjectMissing, StoreDenied):
            store.delete(key)
