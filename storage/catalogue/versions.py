"""Versions of the catalogue: read the present one, publish the next, and delete what no reader needs any more."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from storage.catalogue.layout import (
    FOLDER,
    KEPT,
    Part,
    Retired,
    Version,
    is_version,
    number_of,
    parse_version,
    version_content,
    version_key,
)
from storage.errors import ManifestInvalid, ObjectExists, ObjectMissing, StorageError, StoreDenied
from storage.open_looks import look_again
from storage.soundness import Listing
from storage.store import Store

log = logging.getLogger("dawin.storage")

TRIES = 100
"""Attempts of a reader or a writer whose catalogue changes meanwhile; each means that another writer has succeeded."""
_KEPT_FOR = timedelta(hours=1)  # segments alone: a lazy frame of polars reads them long after the look at the store
_REMEDY = "`dawin store verify --repair` builds it again"


@dataclass(frozen=True)
class Present:
    """The catalogue at one moment."""

    listing: Listing
    number: int
    """Of the newest version; 0: none exists."""
    version: Version | None
    """None: no catalogue, a damaged one, or one of another version of this program."""


def present(store: Store) -> Present:
    """Return the catalogue as it is now: one listing and one small object; a damaged version is a line in the log.

    Raises:
        StorageError: the store cannot be read, or versions vanish as fast as they are listed.
    """
    for _ in range(TRIES):
        listing = store.listing(FOLDER)
        number = max((number_of(key) or 0 for key in listing if is_version(key)), default=0)
        if not number:
            return Present(listing, 0, None)
        key = version_key(number)
        try:
            return Present(listing, number, parse_version(key, store.read(key)))
        except ObjectMissing:
            continue  # later versions have replaced it since the listing
        except ManifestInvalid as error:
            warn_damaged(error)
            return Present(listing, number, None)
    raise StorageError(f"{store.address(FOLDER)}: its versions vanish as fast as they are listed")


def warn_damaged(error: Exception) -> None:
    """Log that the catalogue is damaged, so that results are read run by run."""
    log.warning("the catalogue of results is damaged, and results are read run by run: %s; %s", error, _REMEDY)


def publish(store: Store, base: Present, version: Version) -> bool:
    """Write the version after the present one; return whether this process was the first to do so.

    Args:
        store: the store.
        base: the catalogue that the version is made from.
        version: the new version; its number is the one after the present.

    Raises:
        StorageError: the store cannot be written.
    """
    dropped = _dropped(base.version, version)
    made = replace(version, retired=_still_retired(version.number, [*version.retired, *dropped]))
    content = version_content(made)
    key = version_key(made.number)
    try:
        store.create(key, content)
        if store.scheme == "s3" and store.read(key) != content:  # a server that ignores the condition of a PUT
            return False
        # old versions are deleted in the order of their numbers, and the first one never: while the one before exists,
        # nobody has deleted a version of this number, and this one is its successor
        look_again(store.url)  # so that the next line asks the server
        if base.number and not store.exists(version_key(base.number)):
            store.delete(key)
            return False
    except (ObjectExists, ObjectMissing):
        return False
    _clean(store, base.listing, made)
    return True


def discard(store: Store, base: Version | None, version: Version) -> None:
    """Delete the new parts of a version that another writer's version came before."""
    old = {part.key for part in base.parts()} if base else set()
    for part in version.parts():
        if part.key not in old:
            with suppress(StorageError):
                store.delete(part.key)


def _dropped(before: Version | None, after: Version) -> Sequence[Retired]:
    named = {part.key for part in after.parts()}
    gone: Sequence[Part] = [part for part in before.parts() if part.key not in named] if before else []
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [Retired(part.key, after.number, now) for part in gone]


def _still_retired(number: int, retired: Sequence[Retired]) -> Sequence[Retired]:
    """Return the retired parts that readers in progress may still need."""
    since = datetime.now(UTC) - _KEPT_FOR
    return [
        one
        for one in retired
        if one.number > number - KEPT or ("-segment." in one.key and datetime.fromisoformat(one.at) > since)
    ]


def _clean(store: Store, listing: Listing, version: Version) -> None:
    """Delete old versions, the oldest first, then parts that only these named, or that a killed writer left."""
    last = version.number - KEPT
    kept = {part.key for part in version.parts()} | {one.key for one in version.retired}
    kept.add(version_key(1))
    old = [key for key in listing if (number_of(key) or last + 1) <= last and key not in kept]
    if len(old) < KEPT:  # several at a time, so that most commits send no request for this
        return
    for key in [*sorted(filter(is_version, old)), *(key for key in old if not is_version(key))]:
        try:
            store.delete(key)
        except ObjectMissing:  # another writer deletes them too
            continue
        except StoreDenied:
            return
