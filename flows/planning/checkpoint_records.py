"""Findings about checkpoints, remembered in the store: their digests, and summaries of files that were read whole."""

import json
import logging
import os
from functools import lru_cache
from importlib.metadata import version
from typing import Any, BinaryIO

from flows.experiment.input_settings import ZERO_SHOT
from flows.planning.checkpoint_places import CheckpointPlaces
from flows.planning.confined_check import Check
from flows.planning.records_together import RecordsTogether, is_record
from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.file_marks import mark_of, settled_mark
from storage.identity import digest_of, digest_of_file
from storage.locations import Location
from storage.store import Store
from storage.text import shown
from tasks.errors import CheckpointError, did_you_mean
from tasks.progress import work
from tasks.references.models import ModelReference

log = logging.getLogger("dawin.checkpoints")

# in a folder, or a repository of the Hub: the names that transformers and open_clip give a checkpoint's file
CHECKPOINT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
SUMMARY_VERSION = 4
_LARGE = 1 << 30  # bytes; reading such a file takes long enough to show its progress
HEAD = "head of "
"""The beginning of a head's label in messages; the data set's name follows."""


def checkpoint_file(url: str, label: str) -> Location:
    """Return the file of a checkpoint; in a folder it has one of the names that the Hub's libraries give it.

    Args:
        url: the checkpoint's address.
        label: names it in messages.

    Raises:
        CheckpointError: no such file.
    """
    try:
        return Location(url).file_among(CHECKPOINT_FILES)
    except ObjectMissing as error:
        raise CheckpointError(f"{label}: checkpoint {error}") from error


def fingerprint_of(location: Location, label: str) -> str:
    """Return the fingerprint of a checkpoint's file, which is not read.

    Args:
        location: the file.
        label: names it in messages.

    Raises:
        CheckpointError: no such file; the message lists its neighbours.
    """
    try:
        return location.fingerprint()
    except ObjectMissing as error:
        fault = f"checkpoint {location.url}: no such file{_neighbours(location, label)}"
        raise CheckpointError(f"{label}: {fault}") from error


def existing_checkpoint(url: str, label: str) -> Location:
    """Return the file of a checkpoint as `checkpoint_file` does, after a look whether it exists.

    Raises:
        CheckpointError: no such file; the message lists its neighbours.
    """
    location = checkpoint_file(url, label)
    fingerprint_of(location, label)
    return location


class CheckpointRecords:
    """Findings about checkpoints. Each file is read at most once, and never again while the store remembers it.

    Args:
        store: remembers the findings.
        remember: whether new findings are written.
        check: reads a checkpoint and returns its summary.
        places: the folders of checkpoints on S3 that are listed.
        experiment: its name; its findings are kept together too. None: they are not.
    """

    def __init__(
        self, store: Store, remember: bool, check: Check, places: CheckpointPlaces, experiment: str | None
    ) -> None:
        self._store, self._remember, self._check, self._places = store, remember, check, places
        self._together = RecordsTogether(store, experiment)
        self._marks = dict[str, str]()
        self._asked = dict[str, tuple[Location, str]]()  # remote files and their fingerprints, as at the first question

    def keep(self) -> None:
        """Write all findings together, unless the store has them so or nothing is to be written."""
        if self._remember:
            self._together.keep()

    def file(self, url: str, label: str) -> Location:
        """Return the file of a checkpoint as `checkpoint_file` does.

        Raises:
            CheckpointError: no such file.
        """
        address = Location(url).url
        if address in self._asked:
            return self._asked[address][0]
        if found := self._places.file(address, CHECKPOINT_FILES):
            return found
        found = checkpoint_file(url, label)
        if not found.is_local:
            self._asked[address] = self._asked[found.url] = found, fingerprint_of(found, label)
        return found

    def digest(self, location: Location, label: str) -> str:
        """Return the SHA-256 of a file: of a local file always computed, of a remote one remembered by its ETag.

        Raises:
            CheckpointError: no such file; the message lists its neighbours.
        """
        asked = self._asked.get(location.url)
        fingerprint = asked[1] if asked else self._places.fingerprint(location) or fingerprint_of(location, label)
        key = keys.checkpoint(f"etag-{digest_of({'url': location.url, 'etag': fingerprint})}")
        if not location.is_local and (found := self._remembered(key)):
            return str(found["sha256"])
        digest, self._marks[location.url] = _hashed(location.url, fingerprint)
        if not location.is_local:
            self._note(key, {"sha256": digest, "url": location.url})
        return digest

    def mark(self, location: Location) -> str:
        """Return the mark that a file had when its digest was computed; empty for a file that is not of this machine.

        It is empty, too, for a file that had changed only just before, and might change once more unnoticed.
        """
        return self._marks.get(location.url, "")

    def summary(
        self, location: Location, digest: str, kind: str, architecture: str | None, base: ModelReference | None = None
    ) -> dict[str, Any]:
        """Return the summary of a checkpoint that is good.

        Args:
            location: the file.
            digest: its SHA-256.
            kind: `model` or `head`.
            architecture: an open_clip model, or a configuration as text; None: the tensors' shapes decide.
            base: the model that lends its last projection.

        Raises:
            CheckpointError: the file is damaged, unsafe, or of no family that is known.
        """
        asked = {
            "sha256": digest,
            "architecture": architecture,
            "kind": kind,
            "base": base.digest if base else None,
            "version": SUMMARY_VERSION,
            "open_clip": version("open_clip_torch"),  # whose configurations and records a summary holds
        }
        key = keys.checkpoint(digest_of(asked))
        if found := self._remembered(key):
            return found
        found = self._check(kind, location, architecture, Location(base.url) if base else None)
        self._note(key, found)
        return found

    def _note(self, key: str, found: dict[str, Any]) -> None:
        if self._remember:
            self._store.replace(key, json.dumps(found).encode())
            self._together.note(key, found)

    def _remembered(self, key: str) -> dict[str, Any] | None:
        """Return a finding; None if the store has none, or a damaged one: the file is then read again."""
        if found := self._together.found(key):
            return found
        try:
            found = json.loads(self._store.read(key))
        except ObjectMissing:
            return None
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and is_record(found):
            self._together.note(key, found)
            return found
        log.warning("%s: damaged, reading the checkpoint again", self._store.address(key))
        return None


@lru_cache(maxsize=1 << 16)
def _hashed(url: str, _fingerprint: str) -> tuple[str, str]:
    """Hash a file, once per process while it does not change: its fingerprint holds times that cannot be set back."""
    with Location(url).open() as file:
        mark = settled_mark(file)
        digest = _digest_of(file, url)
        return digest, mark if mark_of(file) == mark else ""


def _digest_of(file: BinaryIO, url: str) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < _LARGE:
        return digest_of_file(file)
    with work(f"read {shown(url.rpartition('/')[2])}", size >> 20, stage="read checkpoints", unit="MiB") as progress:
        return digest_of_file(file, lambda piece: progress.advance(piece >> 20))


def _neighbours(location: Location, label: str) -> str:
    """Return the files beside a missing one, in words, and those that it can be meant as."""
    folder, _, name = location.url.rpartition("/")
    try:
        found = Location(folder).file_names()
    except StorageError:
        return f"; {folder} does not exist"
    known = [*found, ZERO_SHOT] if label.startswith(HEAD) else found
    near = did_you_mean(name, known) or ";"
    return f"{near} {folder} holds {', '.join(map(shown, found[:5])) or 'no files'}{' …' if len(found) > 5 else ''}"
