"""The checkpoints that a watcher found evaluated, remembered in the store so that later looks pass them by.

One object holds, for each address, the mark of the checkpoint's files, its content's digest, and the run that evaluated
it with the marks of its results. A checkpoint is passed by only while all marks are the present ones, so an object that
is lost, damaged, outdated or overwritten by another watcher costs time, and never passes by a checkpoint that has to
run. The key is the digest of everything else that a run depends on: settings, base, data sets, heads and versions.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import NamedTuple

from flows.planning.checkpoint_places import DESCRIPTIONS
from flows.planning.checkpoint_records import CHECKPOINT_FILES, SUMMARY_VERSION
from flows.planning.plan import Plan
from storage import keys
from storage.errors import ObjectMissing
from storage.files import FileEntry
from storage.identity import digest_of
from storage.soundness import counts_as_missing, states
from storage.store import Store
from storage.stored import Stored

log = logging.getLogger("dawin.watch")

_VERSION = 1  # of the object
_SETTLED_SECONDS = 2.0  # a file may change once more within the resolution of its times, on any file system
_UNSAVED = 100  # checkpoints that a killed watcher may have to look at again


class Evaluated(NamedTuple):
    """A checkpoint that was found evaluated."""

    mark: str
    """Of the checkpoint's files, from `marks_of`."""
    digest: str
    """SHA-256 of its content."""
    run_id: str
    """The run that evaluated it; empty for a copy of the base, which no run evaluates."""
    results: tuple[str, str]
    """The marks of the run's results and of their manifest, when they were found sound."""


class EvaluatedCheckpoints:
    """The evaluated checkpoints of an experiment under its pattern.

    Args:
        store: holds the results.
        base: the experiment's plan with the base in the pattern's place.
        pattern: the checkpoints' address.
    """

    def __init__(self, store: Store, base: Plan, pattern: str) -> None:
        others = {"base": base.record.run_id, "pattern": pattern, "summaries": SUMMARY_VERSION, "version": _VERSION}
        self._key = keys.watched(digest_of({**others, "open_clip": version("open_clip_torch")}))
        self._store, self._experiment = store, base.record.experiment
        self._known = self._stored()
        self._present: dict[str, Evaluated] = {}
        self._unsaved = 0

    def known(self, url: str, mark: str) -> Evaluated | None:
        """Return a checkpoint that was found evaluated, unless it or its results have changed since.

        Args:
            url: the checkpoint's address.
            mark: of its files now; empty: not known.
        """
        found = self._known.get(url)
        if found is None or not mark or found.mark != mark or not self._is_sound(found):
            return None
        self._present[url] = found
        return found

    def has_results(self, run_id: str) -> bool:
        """Return whether the store held the results of a run, sound, when its results were listed."""
        key = keys.results(self._experiment, run_id)
        found = states(self._store, keys.runs(self._experiment), contents=True, only=(key,), listing=self._listing)
        return key in found and not counts_as_missing(found[key])

    def note(self, url: str, mark: str, digest: str, run_id: str) -> None:
        """Note a checkpoint whose run's results are in the store, sound.

        Args:
            url: the checkpoint's address.
            mark: of its files before they were read; empty: not known, so that nothing is noted.
            digest: of its content.
            run_id: the run; empty for a copy of the base.
        """
        results = self._marks(run_id) if run_id else ("", "")
        if mark and results is not None:
            self._present[url] = Evaluated(mark, digest, run_id, results)
            self._unsaved += 1
        if self._unsaved >= _UNSAVED:
            self._write(self._known | self._present)

    def save(self, *, is_complete: bool) -> None:
        """Write what was noted.

        Args:
            is_complete: whether all checkpoints were looked at; those that were not are then gone, and forgotten.
        """
        found = self._present if is_complete else self._known | self._present
        if found != self._known:
            self._write(found)

    def _write(self, found: Mapping[str, Evaluated]) -> None:
        content = {url: list(one) for url, one in found.items()}
        self._store.replace(self._key, json.dumps({"digest": digest_of(content), "evaluated": content}).encode())
        self._known, self._unsaved = dict(found), 0

    def _stored(self) -> dict[str, Evaluated]:
        try:
            found = json.loads(self._store.read(self._key))
            content = found["evaluated"]
            if digest_of(content) != found["digest"]:
                raise ValueError("another digest")
            return {
                url: Evaluated(mark, digest, run, (results[0], results[1]))
                for url, (mark, digest, run, results) in content.items()
            }
        except ObjectMissing:
            return {}
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            log.warning("%s: damaged, looking at each checkpoint (%s)", self._store.address(self._key), error)
            return {}

    @cached_property
    def _listing(self) -> Mapping[str, Stored]:
        return self._store.listing(keys.runs(self._experiment))

    def _marks(self, run_id: str) -> tuple[str, str] | None:
        """Return the marks of a run's results and of their manifest; None if one of them is missing."""
        key = keys.results(self._experiment, run_id)
        found = [self._listing.get(one) for one in (key, keys.manifest(key))]
        results, manifest = (stored.mark if stored else None for stored in found)
        return None if results is None or manifest is None else (results, manifest)

    def _is_sound(self, found: Evaluated) -> bool:
        """Return whether a run's results are those that were found sound; elsewhere than on S3, they are read again."""
        if not found.run_id:
            return True
        is_same = self._marks(found.run_id) == found.results
        if self._store.scheme == "s3":
            return is_same and all(found.results)
        return is_same and keys.results(self._experiment, found.run_id) in self._sound

    @cached_property
    def _sound(self) -> frozenset[str]:
        wanted = {keys.results(self._experiment, one.run_id) for one in self._known.values() if one.run_id}
        found = states(
            self._store, keys.runs(self._experiment), contents=True, only=sorted(wanted), listing=self._listing
        )
        return frozenset(key for key, error in found.items() if not counts_as_missing(error))


def marks_of(names: Sequence[str], files: Iterable[FileEntry]) -> dict[str, str]:
    """Return, by name, a text that changes when a checkpoint or a file that describes it does.

    Args:
        names: of checkpoints in a folder: files, or folders with a file of one of the Hub's names.
        files: all files below the folder.

    Returns:
        An empty text for a checkpoint that has changed within the last seconds: it may change once more unnoticed.
    """
    by_path = {file.path: file for file in files}
    beside = [by_path[name] for name in DESCRIPTIONS if name in by_path]
    found, settled = dict[str, str](), (time.time() - _SETTLED_SECONDS) * 1e9
    for name in names:
        inside = (name, *(f"{name}/{file}" for file in (*CHECKPOINT_FILES, *DESCRIPTIONS)))
        own = [*(by_path[path] for path in inside if path in by_path), *beside]
        is_settled = all(not file.changed or float(file.changed) < settled for file in own)
        is_text = name.isprintable()  # a name in other bytes than UTF-8 has no digest, and its checkpoint is refused
        found[name] = digest_of({"files": [list(file) for file in own]}) if own and is_settled and is_text else ""
    return found
